import { SluiceError } from '../errors.ts';

const utf8 = new TextEncoder();
const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Writes values in bincode 2's standard configuration: unsigned integers below 251 in one byte, larger ones as a tag
 * (251: u16, 252: u32, 253: u64) and little-endian bytes; strings and lists with a length in front; floats as they are.
 * Fields follow each other without names or tags, so the reader has to know what comes.
 */
export class BincodeWriter {
  readonly #block: number;
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView;
  #start = 0;
  #length = 0;

  /** @param block bytes to allocate at a time; many small values share one allocation */
  constructor(block = 256) {
    this.#block = block;
    this.#bytes = new Uint8Array(block);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** What was written since the last call; the bytes are not used again. */
  take(): Uint8Array {
    const out = this.#bytes.subarray(this.#start, this.#length);
    this.#start = this.#length;
    return out;
  }

  /** Unsigned integer up to 2^53 - 1. */
  uint(value: number): this {
    if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${value} is no unsigned integer`);
    if (value < 251) return this.byte(value);
    if (value <= 0xffff) {
      this.byte(251);
      const at = this.#grow(2);
      this.#view.setUint16(at, value, true);
    } else if (value <= 0xffff_ffff) {
      this.byte(252);
      const at = this.#grow(4);
      this.#view.setUint32(at, value, true);
    } else {
      this.byte(253);
      const at = this.#grow(8);
      this.#view.setBigUint64(at, BigInt(value), true);
    }
    return this;
  }

  byte(value: number): this {
    const at = this.#grow(1);
    this.#bytes[at] = value;
    return this;
  }

  f32(value: number): this {
    const at = this.#grow(4);
    this.#view.setFloat32(at, value, true);
    return this;
  }

  f64(value: number): this {
    const at = this.#grow(8);
    this.#view.setFloat64(at, value, true);
    return this;
  }

  string(value: string): this {
    // At most three bytes of UTF-8 for a UTF-16 unit: the length of a short string surely takes one byte.
    if (value.length <= 80) {
      const start = this.#grow(1 + value.length * 3);
      const { written } = utf8.encodeInto(value, this.#bytes.subarray(start + 1, this.#length));
      this.#bytes[start] = written;
      this.#length = start + 1 + written;
      return this;
    }
    const bytes = utf8.encode(value);
    this.uint(bytes.length);
    // In two steps: growing may replace the block.
    const start = this.#grow(bytes.length);
    this.#bytes.set(bytes, start);
    return this;
  }

  /** Makes room and returns where it begins. */
  #grow(size: number): number {
    const start = this.#length;
    if (start + size <= this.#bytes.length) {
      this.#length += size;
      return start;
    }
    const begun = this.#bytes.subarray(this.#start, start);
    this.#bytes = new Uint8Array(Math.max(this.#block, (begun.length + size) * 2));
    this.#bytes.set(begun);
    this.#view = new DataView(this.#bytes.buffer);
    this.#start = 0;
    this.#length = begun.length + size;
    return begun.length;
  }
}

/** Reads what `BincodeWriter` writes. Every method throws `BAD_BINCODE` where the bytes end early or mean nothing. */
export class BincodeReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Bytes read so far. */
  get offset(): number {
    return this.#offset;
  }

  uint(): number {
    const tag = this.byte();
    if (tag < 251) return tag;
    if (tag === 251) return this.#view.getUint16(this.#take(2), true);
    if (tag === 252) return this.#view.getUint32(this.#take(4), true);
    if (tag === 253) {
      const value = Number(this.#view.getBigUint64(this.#take(8), true));
      if (Number.isSafeInteger(value)) return value;
    }
    throw this.#bad(`no integer below 2^53 (tag ${tag})`);
  }

  byte(): number {
    return this.#view.getUint8(this.#take(1));
  }

  bool(): boolean {
    const value = this.byte();
    if (value > 1) throw this.#bad(`${value} is no boolean`);
    return value === 1;
  }

  f32(): number {
    return this.#view.getFloat32(this.#take(4), true);
  }

  f64(): number {
    return this.#view.getFloat64(this.#take(8), true);
  }

  string(): string {
    const length = this.uint();
    const start = this.#take(length);
    try {
      return strictUtf8.decode(this.#bytes.subarray(start, start + length));
    } catch {
      throw this.#bad('a string that is not UTF-8');
    }
  }

  /** Ends the reading: everything must have been consumed. */
  end(): void {
    if (this.#offset !== this.#bytes.length) throw this.#bad(`${this.#bytes.length - this.#offset} bytes too many`);
  }

  #take(size: number): number {
    const start = this.#offset;
    if (start + size > this.#bytes.length) throw this.#bad(`${size} bytes wanted, ${this.#bytes.length - start} left`);
    this.#offset += size;
    return start;
  }

  #bad(what: string): SluiceError {
    return new SluiceError(`not the bincode that was expected at byte ${this.#offset}: ${what}`, {
      code: 'BAD_BINCODE',
    });
  }
}
