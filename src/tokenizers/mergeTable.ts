/** A pair of tokens that becomes one token. Earlier merges go first. */
export interface Merge {
  readonly left: number;
  readonly right: number;
  readonly id: number;
}

/** i32 of an entry: left, right, rank, id. */
const ENTRY = 4;

/** From a pair of tokens to the rank of its merge and the token that it makes: open addressing, at most half full. */
export class MergeTable {
  /** What an entry is read from: `entries[at]` is its rank, `entries[at + 1]` its token. */
  readonly entries: Int32Array;
  readonly #mask: number;

  /** @param merges in the order of their ranks; of two for the same pair the later counts */
  constructor(merges: readonly Merge[]) {
    let capacity = 16;
    while (capacity < 2 * merges.length) capacity *= 2;
    this.#mask = capacity - 1;
    this.entries = new Int32Array(ENTRY * capacity).fill(-1);
    for (const [rank, { left, right, id }] of merges.entries()) {
      let slot = hash(left, right) & this.#mask;
      while (this.entries[ENTRY * slot] !== -1 && !this.#holds(slot, left, right)) slot = (slot + 1) & this.#mask;
      this.entries.set([left, right, rank, id], ENTRY * slot);
    }
  }

  #holds(slot: number, left: number, right: number): boolean {
    return this.entries[ENTRY * slot] === left && this.entries[ENTRY * slot + 1] === right;
  }

  /** Where the rank of a pair's merge stands among the entries; -1 where it has none. */
  find(left: number, right: number): number {
    const { entries } = this;
    const mask = this.#mask;
    for (let slot = hash(left, right) & mask; ; slot = (slot + 1) & mask) {
      const at = ENTRY * slot;
      const found = entries[at];
      if (found === left && entries[at + 1] === right) return at + 2;
      if (found === -1) return -1;
    }
  }
}

export function hash(left: number, right: number): number {
  let mixed = Math.imul(left, 0x9e3779b1) ^ Math.imul(right + 0x7f4a7c15, 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x2c1b3c6d);
  return mixed ^ (mixed >>> 13);
}
