/** A table of byte strings: each gets a number, from 0 in the order of arrival. Open addressing, keys in one array. */
export class ByteTable {
  #keys = new Uint8Array(1 << 12);
  #ends = new Float64Array(64);
  #hashes = new Int32Array(64);
  /** Number of an entry and 1; 0 where there is none. */
  #slots = new Int32Array(128);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Bytes of all keys. */
  get bytes(): number {
    return this.#count === 0 ? 0 : (this.#ends[this.#count - 1] ?? 0);
  }

  /** The key with a number; a view that holds until the next one is added. */
  key(number: number): Uint8Array {
    return this.#keys.subarray(number === 0 ? 0 : this.#ends[number - 1], this.#ends[number]);
  }

  /** Number of the key `bytes[from..to)`, or -1. */
  find(bytes: Uint8Array, from: number, to: number): number {
    const hash = hashOf(bytes, from, to);
    const mask = this.#slots.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const number = (this.#slots[slot] ?? 0) - 1;
      if (number === -1) return -1;
      if (this.#hashes[number] === hash && this.#equals(number, bytes, from, to)) return number;
    }
  }

  /** Number of the key, which is added where it is new. */
  add(bytes: Uint8Array, from: number, to: number): number {
    const hash = hashOf(bytes, from, to);
    const mask = this.#slots.length - 1;
    let slot = hash & mask;
    for (; ; slot = (slot + 1) & mask) {
      const number = (this.#slots[slot] ?? 0) - 1;
      if (number === -1) break;
      if (this.#hashes[number] === hash && this.#equals(number, bytes, from, to)) return number;
    }
    const number = this.#count++;
    const start = number === 0 ? 0 : (this.#ends[number - 1] ?? 0);
    const end = start + to - from;
    if (number === this.#ends.length) this.#grow();
    if (end > this.#keys.length) {
      const keys = new Uint8Array(Math.max(end, 2 * this.#keys.length));
      keys.set(this.#keys.subarray(0, start));
      this.#keys = keys;
    }
    for (let at = from, into = start; at < to; at++, into++) this.#keys[into] = bytes[at] ?? 0;
    this.#ends[number] = end;
    this.#hashes[number] = hash;
    if (2 * this.#count > this.#slots.length) this.#rehash();
    else this.#slots[slot] = number + 1;
    return number;
  }

  #equals(number: number, bytes: Uint8Array, from: number, to: number): boolean {
    const start = number === 0 ? 0 : (this.#ends[number - 1] ?? 0);
    if ((this.#ends[number] ?? 0) - start !== to - from) return false;
    const keys = this.#keys;
    for (let at = from, own = start; at < to; at++, own++) if (keys[own] !== bytes[at]) return false;
    return true;
  }

  #grow(): void {
    const ends = new Float64Array(2 * this.#ends.length);
    ends.set(this.#ends);
    this.#ends = ends;
    const hashes = new Int32Array(2 * this.#hashes.length);
    hashes.set(this.#hashes);
    this.#hashes = hashes;
  }

  #rehash(): void {
    this.#slots = new Int32Array(2 * this.#slots.length);
    const mask = this.#slots.length - 1;
    for (let number = 0; number < this.#count; number++) {
      let slot = (this.#hashes[number] ?? 0) & mask;
      while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
      this.#slots[slot] = number + 1;
    }
  }
}

/** FNV-1a with a finish that spreads it over the low bits. */
export function hashOf(bytes: Uint8Array, from: number, to: number): number {
  let hash = 0x811c9dc5;
  for (let at = from; at < to; at++) hash = Math.imul(hash ^ (bytes[at] ?? 0), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x45d9f3b);
  return hash ^ (hash >>> 15);
}
