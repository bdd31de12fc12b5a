/** Types of Thrift's compact protocol that Parquet uses. */
const BYTE = 3;
const I16 = 4;
const I32 = 5;
const I64 = 6;
const DOUBLE = 7;
const BINARY = 8;
const LIST = 9;
const STRUCT = 12;

/** Bytes of a variable-length number of 64 bits. */
const MOST_VARINT = 10;
/** Structures within each other; those of Parquet go eight deep. */
const MOST_DEPTH = 64;

/**
 * Goes over a structure in Thrift's compact protocol without making any of it, so that whoever parses it then needs no more
 * memory and time than for so many values: a few bytes may stand for any number of objects, or for a number of any length.
 *
 * @param most values of all kinds
 * @throws Error where there are more, or where it breaks off
 */
export function requireBounded(bytes: Uint8Array, offset: number, most: number): void {
  new Walk(bytes, offset, most).struct(0);
}

class Walk {
  readonly #bytes: Uint8Array;
  #at: number;
  #left: number;

  constructor(bytes: Uint8Array, at: number, most: number) {
    this.#bytes = bytes;
    this.#at = at;
    this.#left = most;
  }

  struct(depth: number): void {
    if (depth > MOST_DEPTH) throw new Error(`structures lie more than ${MOST_DEPTH} deep in each other`);
    for (;;) {
      const head = this.#byte();
      const type = head & 15;
      if (type === 0) return;
      if (head >> 4 === 0) this.#number();
      this.#count(1);
      this.#value(type, depth);
    }
  }

  #value(type: number, depth: number): void {
    switch (type) {
      case BYTE:
        this.#skip(1);
        return;
      case I16:
      case I32:
      case I64:
        this.#number();
        return;
      case DOUBLE:
        this.#skip(8);
        return;
      case BINARY:
        this.#skip(this.#number());
        return;
      case LIST:
        this.#list(depth);
        return;
      case STRUCT:
        this.struct(depth + 1);
        return;
      // Truth values lie in their types; of all others the parser says what is wrong.
    }
  }

  #list(depth: number): void {
    if (depth > MOST_DEPTH) throw new Error(`lists lie more than ${MOST_DEPTH} deep in each other`);
    const head = this.#byte();
    const size = head >> 4 === 15 ? this.#number() : head >> 4;
    this.#count(size);
    const type = head & 15;
    for (let element = 0; element < size; element++) this.#value(type <= 2 ? BYTE : type, depth + 1);
  }

  #count(values: number): void {
    this.#left -= values;
    if (this.#left < 0) throw new Error('it holds more values than any that was written for a reason');
  }

  #number(): number {
    let value = 0;
    for (let bytes = 0; bytes < MOST_VARINT; bytes++) {
      const byte = this.#byte();
      value += (byte & 127) * 2 ** (7 * bytes);
      if (byte < 128) return value;
    }
    throw new Error('a number has more than 64 bits');
  }

  #byte(): number {
    const byte = this.#bytes[this.#at++];
    if (byte === undefined) throw new Error('it breaks off');
    return byte;
  }

  #skip(bytes: number): void {
    this.#at += bytes;
    if (this.#at > this.#bytes.length) throw new Error('it breaks off');
  }
}
