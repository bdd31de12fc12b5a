import { PairList } from './corpus/pairs.ts';

/** For each vector, the others whose signatures differ from its own in the fewest bits; of equal ones, those offered first. */
export class LikeCandidates {
  readonly #slots: number;
  readonly #others: Uint32Array;
  readonly #differing: Uint16Array;
  readonly #sizes: Uint8Array;
  /** A candidate has to differ in fewer bits. */
  readonly #limits: Uint16Array;

  /** `slots` for each vector, up to 255; pairs that differ in more than `most` bits are none. */
  constructor(count: number, slots: number, most: number) {
    this.#slots = slots;
    this.#others = new Uint32Array(count * slots);
    this.#differing = new Uint16Array(count * slots);
    this.#sizes = new Uint8Array(count);
    this.#limits = new Uint16Array(count).fill(most + 1);
  }

  /** Both become candidates of each other, where there is room; the same pair may be offered again. */
  offer(a: number, b: number, differing: number): void {
    if (differing < (this.#limits[a] ?? 0)) this.#put(a, b, differing);
    if (differing < (this.#limits[b] ?? 0)) this.#put(b, a, differing);
  }

  /** All pairs (earlier, later) in the order of the later one, then of the earlier, each once. */
  takePairs(): Uint32Array<ArrayBuffer> {
    const pairs = new PairList();
    for (let a = 0; a < this.#sizes.length; a++) {
      const start = a * this.#slots;
      for (let at = start; at < start + (this.#sizes[a] ?? 0); at++) {
        const b = this.#others[at] ?? 0;
        pairs.add(Math.min(a, b), Math.max(a, b));
      }
    }
    return pairs.take();
  }

  #put(a: number, b: number, differing: number): void {
    const start = a * this.#slots;
    const size = this.#sizes[a] ?? 0;
    for (let at = start; at < start + size; at++) if (this.#others[at] === b) return;
    const place = size < this.#slots ? start + size : this.#farthest(start);
    this.#others[place] = b;
    this.#differing[place] = differing;
    if (size < this.#slots) this.#sizes[a] = size + 1;
    if (size + 1 >= this.#slots) this.#limits[a] = this.#differing[this.#farthest(start)] ?? 0;
  }

  #farthest(start: number): number {
    let farthest = start;
    for (let at = start + 1; at < start + this.#slots; at++) {
      if ((this.#differing[at] ?? 0) > (this.#differing[farthest] ?? 0)) farthest = at;
    }
    return farthest;
  }
}
