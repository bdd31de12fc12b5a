/**
 * Remembers which document came first with each 64-bit key: for the keys of one band, or of one part of all bands, at a
 * time. 20 bytes for each key that may come, taken at once.
 *
 * Candidates of a corpus are the pairs of a document and the first one with its key; joined in a {@link UnionFind} they
 * make the same sets as all pairs would.
 *
 *     const band = new FirstByKey(documents);
 *     const other = band.first(document, low, high);
 *     if (other !== document) candidates.push([other, document]);
 */
export class FirstByKey {
  readonly most: number;
  readonly #keys: Uint32Array;
  readonly #documents: Uint32Array;
  /** Open addressing, half of it empty: a place among the keys plus one, or 0. */
  readonly #slots: Uint32Array;
  #size = 0;

  /** Throws RangeError where there is no room for so many keys, or more than 2^31 are asked for. */
  constructor(most: number) {
    if (!Number.isInteger(most) || most < 1 || most > 2 ** 31) throw new RangeError(`${most} keys are not possible.`);
    this.most = most;
    this.#keys = new Uint32Array(2 * most);
    this.#documents = new Uint32Array(most);
    this.#slots = new Uint32Array(2 * most);
  }

  /** The document that came first with this key: this one itself where none did. Throws RangeError beyond `most` keys. */
  first(document: number, low: number, high: number): number {
    const slots = this.#slots;
    // keys are hashes: their upper bits choose the slot
    for (let at = Math.floor((high / 2 ** 32) * slots.length); ; at = at + 1 === slots.length ? 0 : at + 1) {
      const place = (slots[at] ?? 0) - 1;
      if (place === -1) {
        this.#insert(at, document, low, high);
        return document;
      }
      if (this.#keys[2 * place] === low && this.#keys[2 * place + 1] === high)
        return this.#documents[place] ?? document;
    }
  }

  /** Forgets all keys and keeps the memory. */
  clear(): void {
    this.#slots.fill(0);
    this.#size = 0;
  }

  #insert(slot: number, document: number, low: number, high: number): void {
    if (this.#size === this.most) throw new RangeError(`There is room for ${this.most} keys.`);
    const place = this.#size++;
    this.#keys[2 * place] = low;
    this.#keys[2 * place + 1] = high;
    this.#documents[place] = document;
    this.#slots[slot] = place + 1;
  }
}
