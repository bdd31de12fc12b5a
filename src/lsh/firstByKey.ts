import { KeyTable } from './keyTable.ts';

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
  readonly #table: KeyTable;
  /** By the number of their key. */
  readonly #documents: Uint32Array;

  /** Throws RangeError where there is no room for so many keys, or more than 2^30 are asked for. */
  constructor(most: number) {
    this.most = most;
    this.#table = new KeyTable(most, most);
    this.#documents = new Uint32Array(most);
  }

  /** The document that came first with this key: this one itself where none did. Throws RangeError beyond `most` keys. */
  first(document: number, low: number, high: number): number {
    const before = this.#table.size;
    const key = this.#table.numberOf(low, high);
    if (key < before) return this.#documents[key] ?? document;
    this.#documents[key] = document;
    return document;
  }

  /** Forgets all keys and keeps the memory. */
  clear(): void {
    this.#table.clear();
  }
}
