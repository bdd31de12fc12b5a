import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs';
import { SluiceError } from '../errors.ts';
import { float32From } from '../formats/littleEndian.ts';
import { parseSafetensorsHeader, type SafetensorsHeader, type TensorEntry } from '../formats/safetensors/read.ts';

/** The file of patches beside a sidecar; what is asked for is read, and nothing else. */
export class PatchFile {
  readonly #file: string;
  readonly #descriptor: number;
  readonly #header: SafetensorsHeader;

  /** @throws SluiceError `SAFETENSORS_*` */
  private constructor(file: string) {
    this.#file = file;
    this.#descriptor = openSync(file, 'r');
    try {
      const { size } = fstatSync(this.#descriptor);
      const first = this.#read(0, Math.min(8, size));
      const length = first.length < 8 ? 0 : Number(Buffer.from(first).readBigUInt64LE());
      // a length that is too large is told by the parser
      const head = this.#read(0, Math.min(size, 8 + Math.min(length, 100_000_000)));
      this.#header = parseSafetensorsHeader(head, size, file);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Undefined where there is no such file. */
  static open(file: string): PatchFile | undefined {
    return existsSync(file) ? new PatchFile(file) : undefined;
  }

  bytes(start: number, length: number): Uint8Array {
    return this.#part('bytes', start, length, 1);
  }

  embedding(patch: number): Float32Array {
    const dim = this.#tensor('embeddings').shape.at(-1) ?? 0;
    return float32From(this.#part('embeddings', patch * dim, dim, 4));
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  #part(name: string, start: number, count: number, size: number): Uint8Array {
    const { offset, length } = this.#tensor(name);
    if (start < 0 || (start + count) * size > length) {
      throw new SluiceError(`${this.#file} ends before ${name}[${start + count}]`, {
        code: 'PATCH_PAST_BYTES',
        path: this.#file,
        hint: 'the sidecar belongs to another file of patches',
      });
    }
    return this.#read(offset + start * size, count * size);
  }

  #tensor(name: string): TensorEntry {
    const entry = this.#header.tensors.get(name);
    if (entry !== undefined) return entry;
    throw new SluiceError(`${this.#file} has no tensor '${name}'`, { code: 'MISSING_TENSOR', path: this.#file });
  }

  #read(at: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    let done = 0;
    for (let read = -1; done < length && read !== 0; done += read)
      read = readSync(this.#descriptor, bytes, done, length - done, at + done);
    return bytes.subarray(0, done);
  }
}
