/** Rows that there is room for at first, and what the room is multiplied by when it does not suffice. */
const START = 1 << 12;
const GROWTH = 4;
/** 32-bit words of a hash: 128 bits tell all documents there will ever be apart. */
export const HASH_WORDS = 4;
const SLOTS = 2;

/** Rows by their 128-bit hash, up to `most` of them; takes 24 bytes for each, as they come. */
export class ContentTable {
  readonly #most: number;
  #room = 0;
  #size = 0;
  #hashes = new Uint32Array(0);
  /** Open addressing, half of it empty: a row plus one, or 0. */
  #slots = new Uint32Array(0);

  constructor(most: number) {
    this.#most = most;
  }

  /** The row that was added with this hash last. */
  find(hash: Uint32Array): number | undefined {
    if (this.#size === 0) return undefined;
    const row = (this.#slots[this.#slotOf(hash, 0)] ?? 0) - 1;
    return row === -1 ? undefined : row;
  }

  /** Adds a hash as the next row, counted from 0. Not beyond `most` rows. */
  add(hash: Uint32Array): void {
    if (this.#size === this.#room) this.#grow();
    this.#hashes.set(hash, HASH_WORDS * this.#size);
    this.#slots[this.#slotOf(hash, 0)] = ++this.#size;
  }

  /** Forgets all rows and keeps the memory. */
  clear(): void {
    this.#slots.fill(0);
    this.#size = 0;
  }

  #grow(): void {
    this.#room = Math.min(this.#most, Math.max(START, GROWTH * this.#room));
    const hashes = new Uint32Array(HASH_WORDS * this.#room);
    hashes.set(this.#hashes);
    this.#hashes = hashes;
    this.#slots = new Uint32Array(SLOTS * this.#room);
    for (let row = 0; row < this.#size; row++) this.#slots[this.#slotOf(hashes, HASH_WORDS * row)] = row + 1;
  }

  /** Where the hash at `start` is, or would be. */
  #slotOf(hash: Uint32Array, start: number): number {
    const slots = this.#slots.length;
    // the last word chooses: any one is as good
    for (
      let slot = Math.floor(((hash[start + 3] ?? 0) / 2 ** 32) * slots);
      ;
      slot = slot + 1 === slots ? 0 : slot + 1
    ) {
      const entry = this.#slots[slot] ?? 0;
      if (entry === 0 || this.#equals(entry - 1, hash, start)) return slot;
    }
  }

  #equals(row: number, hash: Uint32Array, start: number): boolean {
    const own = HASH_WORDS * row;
    for (let i = 0; i < HASH_WORDS; i++) if (this.#hashes[own + i] !== hash[start + i]) return false;
    return true;
  }
}
