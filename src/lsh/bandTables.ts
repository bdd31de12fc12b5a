import type { StoredSignature } from './shortSignature.ts';

/** What the tables take at first, used or not, and what their room is multiplied by when it does not suffice. */
const START_BYTES = 24 << 20;
const GROWTH = 4;
/** Half of the slots stay empty: a search passes few of them. */
const SLOTS = 2;
const NONE: readonly number[] = [];

/** Bytes that {@link BandTables} takes for each document: the words of its signature, its number, a slot for each band. */
export function bytesPerDocument({ values, hashes }: StoredSignature): number {
  return 2 * values.length + 4 + 4 * SLOTS * hashes.length;
}

/**
 * Documents by their bands: for each band a table with open addressing, whose slots hold a row and, in the bits that are
 * left, a part of the band's hash. Takes more memory as documents come, until it holds `most` documents.
 */
export class BandTables {
  readonly #scratch: StoredSignature;
  readonly #words: number;
  readonly #bands: number;
  readonly #members: number;
  readonly #most: number;
  readonly #rowBits: number;
  readonly #start: number;
  #room = 0;
  #size = 0;
  #signatures = new Uint16Array(0);
  #ids = new Uint32Array(0);
  #slots = new Uint32Array(0);
  /** Rows that a search has found; one array for all of them. */
  readonly #found: number[] = [];
  /** The slot at which the search of each band begins, and what lies there. */
  readonly #starts: Uint32Array;
  readonly #entries: Uint32Array;

  /**
   * Stores signatures such as `scratch`, which serves to place them anew. At most `members` documents are found by the
   * same band: those that came first.
   */
  constructor(scratch: StoredSignature, members: number, most: number) {
    this.#scratch = scratch;
    this.#words = scratch.values.length;
    this.#bands = scratch.hashes.length;
    this.#members = members;
    this.#most = most;
    this.#rowBits = 32 - Math.clz32(most);
    this.#start = Math.ceil(START_BYTES / bytesPerDocument(scratch));
    this.#starts = new Uint32Array(this.#bands);
    this.#entries = new Uint32Array(this.#bands);
  }

  get isFull(): boolean {
    return this.#size === this.#most;
  }

  /** Forgets all documents and keeps the memory. */
  clear(): void {
    this.#slots.fill(0);
    this.#size = 0;
  }

  idOf(row: number): number {
    return this.#ids[row] ?? 0;
  }

  /** Rows that agree with this signature in some band, in the order in which they came. */
  find(short: StoredSignature): readonly number[] {
    if (this.#size === 0) return NONE;
    this.#look(short);
    for (let band = 0; band < this.#bands; band++) if (this.#entries[band] !== 0) this.#probe(short, band);
    return this.#takeFound();
  }

  /** The share in which a row agrees with this signature. */
  similarity(row: number, short: StoredSignature): number {
    return short.similarity(this.#signatures, row * this.#words);
  }

  /** Adds a document, and returns what `find` would have. Not when full. */
  add(id: number, short: StoredSignature): readonly number[] {
    if (this.#size === this.#room) this.#grow();
    const row = this.#size++;
    this.#ids[row] = id;
    this.#signatures.set(short.values, row * this.#words);
    this.#insert(row, short);
    return this.#takeFound();
  }

  #takeFound(): readonly number[] {
    if (this.#found.length === 0) return NONE;
    const rows = [...new Set(this.#found)].sort((a, b) => a - b);
    this.#found.length = 0;
    return rows;
  }

  #grow(): void {
    this.#room = Math.min(this.#most, Math.max(this.#start, GROWTH * this.#room));
    this.#ids = enlarged(new Uint32Array(this.#room), this.#ids);
    this.#signatures = enlarged(new Uint16Array(this.#room * this.#words), this.#signatures);
    this.#slots = new Uint32Array(SLOTS * this.#room * this.#bands);
    const short = this.#scratch;
    for (let row = 0; row < this.#size; row++) {
      short.takeStored(this.#signatures.subarray(row * this.#words, (row + 1) * this.#words));
      this.#insert(row, short);
    }
    this.#found.length = 0;
  }

  /** Where the search of each band begins. With no branch between these loads, they wait for memory all at once. */
  #look({ hashes }: StoredSignature): void {
    const starts = this.#starts;
    const entries = this.#entries;
    const slots = SLOTS * this.#room;
    // the upper bits of the hash choose the slot, the lower ones are in it
    for (let band = 0; band < starts.length; band++) {
      starts[band] = band * slots + Math.floor(((hashes[band] ?? 0) / 2 ** 32) * slots);
    }
    for (let band = 0; band < starts.length; band++) entries[band] = this.#slots[starts[band] ?? 0] ?? 0;
  }

  /** Adds the rows that agree with this one to those found, and the row to the bands that have room for it. */
  #insert(row: number, short: StoredSignature): void {
    this.#look(short);
    const found = this.#found;
    for (let band = 0; band < this.#bands; band++) {
      const before = found.length;
      const slot = this.#entries[band] === 0 ? (this.#starts[band] ?? 0) : this.#probe(short, band);
      if (found.length - before >= this.#members) continue;
      this.#slots[slot] = ((short.hashes[band] ?? 0) << this.#rowBits) | (row + 1);
    }
  }

  /** After `look`: adds the rows that agree in a band to those found; returns the empty slot behind them. */
  #probe(short: StoredSignature, band: number): number {
    const hash = short.hashes[band] ?? 0;
    const slots = SLOTS * this.#room;
    const last = (band + 1) * slots - 1;
    const rowMask = 2 ** this.#rowBits - 1;
    const mark = hash << this.#rowBits;
    for (let at = this.#starts[band] ?? 0; ; at = at === last ? band * slots : at + 1) {
      const entry = this.#slots[at] ?? 0;
      if (entry === 0) return at;
      if (((entry ^ mark) & ~rowMask) !== 0) continue;
      const row = (entry & rowMask) - 1;
      if (short.agrees(this.#signatures, row * this.#words, band)) this.#found.push(row);
    }
  }
}

function enlarged<T extends Uint16Array | Uint32Array>(target: T, content: T): T {
  target.set(content);
  return target;
}
