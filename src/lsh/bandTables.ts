import type { Banding } from './bands.ts';
import { ShortSignature } from './shortSignature.ts';

/** Rows that the tables have room for at first, and what the room is multiplied by when it does not suffice. */
const START = 1 << 14;
const GROWTH = 4;
/** Half of the slots stay empty: a search passes few of them. */
const SLOTS = 2;

/** Bytes that {@link BandTables} takes for each document. */
export function bytesPerDocument(components: number, { bands }: Banding): number {
  return 2 * components + 4 + 4 * SLOTS * bands;
}

/**
 * Documents by their bands: for each band a table with open addressing, whose slots hold a row and, in the bits that are
 * left, a part of the band's hash. Takes more memory as documents come, until it holds `most` documents.
 */
export class BandTables {
  readonly #banding: Banding;
  readonly #components: number;
  readonly #members: number;
  readonly #most: number;
  readonly #rowBits: number;
  #room = 0;
  #size = 0;
  #signatures = new Uint16Array(0);
  #ids = new Uint32Array(0);
  #slots = new Uint32Array(0);
  /** Rows that a search has found; one array for all of them. */
  readonly #found: number[] = [];

  /** At most `members` documents are found by the same band: those that came first. */
  constructor(banding: Banding, components: number, members: number, most: number) {
    this.#banding = banding;
    this.#components = components;
    this.#members = members;
    this.#most = most;
    this.#rowBits = 32 - Math.clz32(most);
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
  find(short: ShortSignature): readonly number[] {
    if (this.#size === 0) return [];
    this.#found.length = 0;
    for (let band = 0; band < this.#banding.bands; band++) this.#probe(short, band);
    return this.#found.length === 0 ? [] : [...new Set(this.#found)].sort((a, b) => a - b);
  }

  /** The share of components in which a row agrees with this signature. */
  similarity(row: number, { values }: ShortSignature): number {
    const start = row * this.#components;
    let equal = 0;
    for (let i = 0; i < values.length; i++) if (this.#signatures[start + i] === values[i]) equal++;
    return equal / values.length;
  }

  /** Not when full. */
  add(id: number, short: ShortSignature): void {
    if (this.#size === this.#room) this.#grow();
    const row = this.#size++;
    this.#ids[row] = id;
    this.#signatures.set(short.values, row * this.#components);
    this.#insert(row, short);
  }

  #grow(): void {
    this.#room = Math.min(this.#most, Math.max(START, GROWTH * this.#room));
    this.#ids = enlarged(new Uint32Array(this.#room), this.#ids);
    this.#signatures = enlarged(new Uint16Array(this.#room * this.#components), this.#signatures);
    this.#slots = new Uint32Array(SLOTS * this.#room * this.#banding.bands);
    const short = new ShortSignature(this.#banding, this.#components);
    for (let row = 0; row < this.#size; row++) {
      short.takeShort(this.#signatures.subarray(row * this.#components, (row + 1) * this.#components));
      this.#insert(row, short);
    }
  }

  #insert(row: number, short: ShortSignature): void {
    for (let band = 0; band < this.#banding.bands; band++) {
      this.#found.length = 0;
      const slot = this.#probe(short, band);
      if (this.#found.length >= this.#members) continue;
      this.#slots[slot] = ((short.hashes[band] ?? 0) << this.#rowBits) | (row + 1);
    }
  }

  /** Adds the rows that agree in a band to those found; returns the empty slot behind them. */
  #probe({ hashes, values }: ShortSignature, band: number): number {
    const hash = hashes[band] ?? 0;
    const slots = SLOTS * this.#room;
    const start = band * slots;
    const rowMask = 2 ** this.#rowBits - 1;
    const mark = hash << this.#rowBits;
    // the upper bits of the hash choose the slot, the lower ones are in it
    for (let at = Math.floor((hash / 2 ** 32) * slots); ; at = at + 1 === slots ? 0 : at + 1) {
      const entry = this.#slots[start + at] ?? 0;
      if (entry === 0) return start + at;
      if (((entry ^ mark) & ~rowMask) !== 0) continue;
      const row = (entry & rowMask) - 1;
      if (this.#agree(row, values, band)) this.#found.push(row);
    }
  }

  #agree(row: number, values: Uint16Array, band: number): boolean {
    const { rows } = this.#banding;
    const start = row * this.#components;
    for (let i = band * rows; i < (band + 1) * rows; i++) if (this.#signatures[start + i] !== values[i]) return false;
    return true;
  }
}

function enlarged<T extends Uint16Array | Uint32Array>(target: T, content: T): T {
  target.set(content);
  return target;
}
