/**
 * Disjoint sets of the numbers below `count`, 4 bytes each. The smallest number of a set stands for it, so that the
 * result does not depend on the order in which sets were joined.
 *
 *     const clusters = new UnionFind(documents);
 *     clusters.join(7, 3);
 *     clusters.find(7); // 3
 */
export class UnionFind {
  readonly #parents: Uint32Array;

  /** Throws RangeError beyond 2^32 - 1. */
  constructor(count: number) {
    if (!Number.isInteger(count) || count < 0 || count >= 2 ** 32)
      throw new RangeError(`${count} numbers have no sets.`);
    this.#parents = new Uint32Array(count);
    for (let i = 0; i < count; i++) this.#parents[i] = i;
  }

  get count(): number {
    return this.#parents.length;
  }

  /** The smallest number in the set of this one. */
  find(number: number): number {
    const parents = this.#parents;
    if (number >= parents.length) throw new RangeError(`${number} is not below ${parents.length}.`);
    let at = number;
    for (let parent = parents[at] ?? at; parent !== at; parent = parents[at] ?? at) {
      // every other one on the way moves up: paths stay short
      const above = parents[parent] ?? parent;
      parents[at] = above;
      at = above;
    }
    return at;
  }

  /** Makes one set of two; whether they were two. */
  join(a: number, b: number): boolean {
    const [first, second] = [this.find(a), this.find(b)];
    if (first === second) return false;
    this.#parents[Math.max(first, second)] = Math.min(first, second);
    return true;
  }
}
