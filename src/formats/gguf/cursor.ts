import { type ErrorDetails, SluiceError } from '../../errors.ts';

/** Thrown where the header goes on beyond the bytes at hand: read more of the file and start again. */
export class HeaderEnds extends Error {
  override name = 'HeaderEnds';
}

/** Most bytes of a header that are ever read. The largest vocabularies take some 10 MiB. */
export const MAX_HEADER_BYTES = 64 << 20;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Reads little-endian numbers and strings from the start of a GGUF file; every length is checked before it is used. */
export class Cursor {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #fileBytes: number;
  readonly #path: string | undefined;
  #offset = 0;

  /** `bytes` are the first ones of a file with `fileBytes` bytes. */
  constructor(bytes: Uint8Array, fileBytes: number, path: string | undefined) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#fileBytes = fileBytes;
    this.#path = path;
  }

  get offset(): number {
    return this.#offset;
  }

  u8(what: string): number {
    return this.#view.getUint8(this.#take(1, what));
  }

  i8(what: string): number {
    return this.#view.getInt8(this.#take(1, what));
  }

  u16(what: string): number {
    return this.#view.getUint16(this.#take(2, what), true);
  }

  i16(what: string): number {
    return this.#view.getInt16(this.#take(2, what), true);
  }

  u32(what: string): number {
    return this.#view.getUint32(this.#take(4, what), true);
  }

  i32(what: string): number {
    return this.#view.getInt32(this.#take(4, what), true);
  }

  u64(what: string): bigint {
    return this.#view.getBigUint64(this.#take(8, what), true);
  }

  i64(what: string): bigint {
    return this.#view.getBigInt64(this.#take(8, what), true);
  }

  f32(what: string): number {
    return this.#view.getFloat32(this.#take(4, what), true);
  }

  f64(what: string): number {
    return this.#view.getFloat64(this.#take(8, what), true);
  }

  /** A byte that is 0 or 1. */
  bool(what: string): boolean {
    const value = this.u8(what);
    if (value > 1) throw this.fail('GGUF_HEADER', `${what} is a bool with the byte ${value}; expected 0 or 1`);
    return value === 1;
  }

  /** A u64 that counts things of at least `least` bytes each: refused where the rest of the file cannot hold them. */
  count(what: string, least: number, most: number): number {
    const value = this.u64(what);
    if (value > BigInt(most)) throw this.fail('GGUF_HEADER', `${what} is ${value}; the limit is ${most}`);
    const count = Number(value);
    this.requireRoom(count * least, what);
    return count;
  }

  /** Checks that `bytes` more can follow in this file. */
  requireRoom(bytes: number, what: string): void {
    const end = this.#offset + bytes;
    if (end > this.#fileBytes) {
      throw this.fail('GGUF_TRUNCATED', `${what} would need ${end} bytes, but the file has ${this.#fileBytes}`, {
        hint: 'The file is truncated or damaged: copy or download it again.',
      });
    }
    if (end > MAX_HEADER_BYTES) {
      throw this.fail('GGUF_HEADER', `${what} reaches beyond the ${MAX_HEADER_BYTES} bytes that a header may have`);
    }
  }

  /** UTF-8 with a u64 length in front. */
  string(what: string, most = MAX_HEADER_BYTES): string {
    const length = this.count(`the length of ${what}`, 1, most);
    const start = this.#take(length, what);
    try {
      return utf8.decode(this.#bytes.subarray(start, start + length));
    } catch (cause) {
      throw this.fail('GGUF_HEADER', `${what} is not valid UTF-8`, { cause });
    }
  }

  fail(code: string, message: string, details: Omit<ErrorDetails, 'code'> = {}): SluiceError {
    return new SluiceError(`${message} (at byte ${this.#offset}).`, { code, path: this.#path, ...details });
  }

  #take(bytes: number, what: string): number {
    this.requireRoom(bytes, what);
    const start = this.#offset;
    if (start + bytes > this.#bytes.length) throw new HeaderEnds();
    this.#offset = start + bytes;
    return start;
  }
}
