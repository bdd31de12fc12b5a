/** What a file says of itself cannot be. */
export class Malformed extends Error {
  override name = 'Malformed';
}

/** Bytes of a name at most. */
const MAX_NAME = 256;

/** Reads numbers of either byte order; every read is within the bytes, or throws {@link Malformed}. */
export class ByteView {
  readonly bytes: Uint8Array;
  readonly littleEndian: boolean;
  readonly #data: DataView;

  constructor(bytes: Uint8Array, littleEndian: boolean) {
    this.bytes = bytes;
    this.littleEndian = littleEndian;
    this.#data = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get length(): number {
    return this.bytes.length;
  }

  u8(at: number): number {
    this.require(at, 1, 'a number');
    return this.#data.getUint8(at);
  }

  u16(at: number): number {
    this.require(at, 2, 'a number');
    return this.#data.getUint16(at, this.littleEndian);
  }

  u32(at: number): number {
    this.require(at, 4, 'a number');
    return this.#data.getUint32(at, this.littleEndian);
  }

  u64(at: number): bigint {
    this.require(at, 8, 'a number');
    return this.#data.getBigUint64(at, this.littleEndian);
  }

  /** A number as wide as addresses; above 2^53 not exact, and in no file. */
  word(at: number, is64: boolean): number {
    return is64 ? Number(this.u64(at)) : this.u32(at);
  }

  /** The same, exact, as `0x...`. */
  hex(at: number, is64: boolean): string {
    return hex(is64 ? this.u64(at) : this.u32(at));
  }

  /** Checks that a range lies within the bytes. */
  require(at: number, bytes: number, what: string): void {
    if (!(at >= 0 && bytes >= 0 && at + bytes <= this.length)) {
      throw new Malformed(`${what} of ${bytes} bytes at ${at} is not within the ${this.length} of the file`);
    }
  }

  /** The text up to the next NUL, or up to `end`, or as much as a name may have; empty where it would begin outside. */
  name(at: number, end = this.length): string {
    if (!(at >= 0 && at < end)) return '';
    const room = this.bytes.subarray(at, Math.min(end, at + MAX_NAME));
    const nul = room.indexOf(0);
    return Buffer.from(nul === -1 ? room : room.subarray(0, nul)).toString('utf8');
  }
}

export const hex = (value: number | bigint): string => `0x${value.toString(16)}`;
