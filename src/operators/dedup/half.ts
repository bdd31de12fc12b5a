import { ContentTable } from './contentTable.ts';
import { type Known, keeperOf } from './known.ts';
import { idBytes } from './windowSize.ts';

/** One half of a window: documents that came one after the other. */
export class Half {
  /** Of its first document in the index; those of the others follow, modulo 2^32. */
  first = 0;
  /** Ids of the documents that were kept, and contents. */
  bytes = 0;
  readonly #known: Known[] = [];
  /** By place among the known. */
  readonly #contents = new Map<number, Uint8Array>();
  readonly #table: ContentTable;
  /** Halves that there were before. */
  #number: number;

  constructor(number: number, most: number) {
    this.#number = number;
    this.#table = new ContentTable(most);
  }

  get documents(): number {
    return this.#known.length;
  }

  /** What it knows of a document with these bytes. */
  find(hash: Uint32Array): Known | undefined {
    const row = this.#table.find(hash);
    return row === undefined ? undefined : this.#known[row];
  }

  /** What it knows of the document of this number in the index, and its content if that was kept. */
  at(number: number): { readonly known: Known; readonly content: Uint8Array | undefined } | undefined {
    const row = (number - this.first) >>> 0;
    const known = row < this.#known.length ? this.#known[row] : undefined;
    return known === undefined ? undefined : { known, content: this.#contents.get(row) };
  }

  add(known: Known, hash: Uint32Array, content: Uint8Array | undefined): void {
    const keeper = keeperOf(known);
    if (content !== undefined) this.#contents.set(this.#known.length, content);
    this.#known.push(known);
    this.#table.add(hash);
    this.bytes += content?.length ?? 0;
    if (keeper.countedIn === this.#number) return;
    keeper.countedIn = this.#number;
    this.bytes += idBytes(keeper.id);
  }

  /** Forgets everything; the next document has this number. The half after the other one begins. */
  restart(first: number): void {
    this.first = first;
    this.bytes = 0;
    this.#number += 2;
    this.#known.length = 0;
    this.#contents.clear();
    this.#table.clear();
  }
}
