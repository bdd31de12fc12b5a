import type { Document } from '../records.ts';

export type Row = Document<Document['meta']>;

/** Text and rows handed on in one chunk. */
const CHUNK_BYTES = 256 << 10;
const CHUNK_ROWS = 256;

/** Gathers rows into chunks of bounded size. */
export class RowChunks {
  #rows: Row[] = [];
  #bytes = 0;

  /** Takes a row; true where it is time to `cut`. Undefined is a row that is none. */
  add(row: Row | undefined): boolean {
    if (row === undefined) return false;
    this.#rows.push(row);
    this.#bytes += row.bytes.length;
    return this.#rows.length >= CHUNK_ROWS || this.#bytes >= CHUNK_BYTES;
  }

  /** Hands on what was gathered. */
  cut(): readonly Row[] {
    const rows = this.#rows;
    this.#rows = [];
    this.#bytes = 0;
    return rows;
  }
}
