import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs';
import { SluiceError } from '../errors.ts';
import { float32From } from '../formats/littleEndian.ts';
import { parseSafetensorsHeader, type SafetensorsHeader, type TensorEntry } from '../formats/safetensors/read.ts';
import {
  decodedRows,
  type Learned,
  learnedFrom,
  openColumn,
  partRanges,
  type QuantizedColumn,
  trainedEntries,
} from '../layouts/quantized/column.ts';
import { learnedIn, readQuantizerContentSync } from '../layouts/quantized/quantizerFile.ts';
import { storedFields } from '../layouts/quantized/storedFields.ts';
import { fieldTensor, type StoredQuantization } from '../quantization/fieldTensors.ts';

const EMBEDDINGS = fieldTensor('embeddings');

/** The file of patches beside a sidecar; what is asked for is read, and nothing else. */
export class PatchFile {
  readonly #file: string;
  readonly #descriptor: number;
  readonly #header: SafetensorsHeader;
  #quantized: QuantizedColumn | undefined;

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

  /** f32[dim]: as it was written, else what it is decoded to. */
  embedding(patch: number): Float32Array {
    const floats = this.#header.tensors.get(EMBEDDINGS);
    if (floats === undefined) return this.#decoded(patch);
    const dim = floats.shape.at(-1) ?? 0;
    return float32From(this.#part(EMBEDDINGS, patch * dim, dim, 4));
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  #decoded(patch: number): Float32Array {
    this.#quantized ??= this.#openQuantized();
    const { rows } = this.#quantized;
    if (patch < 0 || patch >= rows) throw this.#pastEnd(EMBEDDINGS, patch + 1);
    const ranges = partRanges(this.#quantized, patch, patch + 1);
    return decodedRows(
      this.#quantized,
      ranges.map(([start, end]) => this.#read(start, end - start)),
      patch,
      this.#file,
    );
  }

  #openQuantized(): QuantizedColumn {
    const stored = storedFields(this.#header, this.#file).get('embeddings');
    if (stored === undefined) throw this.#missing(EMBEDDINGS);
    return openColumn(stored, this.#header, this.#learned(stored), this.#file);
  }

  #learned(stored: StoredQuantization): Learned {
    const file = this.#file;
    if (stored.file !== undefined)
      return learnedIn(readQuantizerContentSync(stored.file, { near: file }, file), stored, file);
    const entries = trainedEntries(stored, this.#header, file);
    return learnedFrom(
      stored,
      entries,
      entries.map(({ offset, length }) => this.#read(offset, length)),
    );
  }

  #part(name: string, start: number, count: number, size: number): Uint8Array {
    const { offset, length } = this.#tensor(name);
    if (start < 0 || (start + count) * size > length) throw this.#pastEnd(name, start + count);
    return this.#read(offset + start * size, count * size);
  }

  #tensor(name: string): TensorEntry {
    const entry = this.#header.tensors.get(name);
    if (entry !== undefined) return entry;
    throw this.#missing(name);
  }

  #missing(name: string): SluiceError {
    return new SluiceError(`${this.#file} has no tensor '${name}'`, { code: 'MISSING_TENSOR', path: this.#file });
  }

  #pastEnd(name: string, at: number): SluiceError {
    return new SluiceError(`${this.#file} ends before ${name}[${at}]`, {
      code: 'PATCH_PAST_BYTES',
      path: this.#file,
      hint: 'the sidecar belongs to another file of patches',
    });
  }

  #read(at: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    let done = 0;
    for (let read = -1; done < length && read !== 0; done += read)
      read = readSync(this.#descriptor, bytes, done, length - done, at + done);
    return bytes.subarray(0, done);
  }
}
