import { endianness } from 'node:os';

/** Pairs that are put in order at once: 32 MiB. */
export const RUN_PAIRS = 1 << 22;

const LOW = endianness() === 'LE' ? 0 : 1;

/** Pairs of an earlier document and a later one, gathered to be put in the order of the later one, each once. */
export class PairList {
  #words: Uint32Array<ArrayBuffer>;
  #size = 0;

  constructor(room = 1 << 12) {
    this.#words = new Uint32Array(2 * room);
  }

  get size(): number {
    return this.#size;
  }

  add(earlier: number, later: number): void {
    if (2 * this.#size === this.#words.length) {
      const words = new Uint32Array(2 * this.#words.length);
      words.set(this.#words);
      this.#words = words;
    }
    this.#words[2 * this.#size + LOW] = earlier;
    this.#words[2 * this.#size + 1 - LOW] = later;
    this.#size++;
  }

  /** Adds pairs as {@link take} gave them. */
  addAll(pairs: Uint32Array): void {
    for (let i = 0; i < pairs.length; i += 2) this.add(pairs[i] ?? 0, pairs[i + 1] ?? 0);
  }

  /** All pairs (earlier, later) in the order of the later document, then of the earlier, each once; empties the list. */
  take(): Uint32Array<ArrayBuffer> {
    const numbers = new BigUint64Array(this.#words.buffer, 0, this.#size).sort();
    const words = new Uint32Array(numbers.buffer, 0, 2 * this.#size);
    const pairs = new Uint32Array(2 * this.#size);
    let kept = 0;
    for (let i = 0; i < words.length; i += 2) {
      const earlier = words[i + LOW] ?? 0;
      const later = words[i + 1 - LOW] ?? 0;
      if (kept > 0 && pairs[kept - 2] === earlier && pairs[kept - 1] === later) continue;
      pairs[kept] = earlier;
      pairs[kept + 1] = later;
      kept += 2;
    }
    this.#size = 0;
    return pairs.subarray(0, kept);
  }
}
