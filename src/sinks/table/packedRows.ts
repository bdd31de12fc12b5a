import type { Cell, StoredColumn } from './columns.ts';

/** Values of one column: bytes one behind the other (text and lists too), or numbers as they are. */
export type ColumnValues =
  | {
      readonly bytes: Uint8Array<ArrayBuffer>;
      /** i32[rows]; -1 for null. */
      readonly lengths: Int32Array<ArrayBuffer>;
    }
  | { readonly scalars: readonly (number | bigint | boolean | null)[] };

/** What a row counts as when files and row groups are cut: its bytes, and so many for the row itself. */
export function rowBytes(cells: readonly Cell[], each: number): number {
  let bytes = each;
  for (const cell of cells) if (cell instanceof Uint8Array) bytes += cell.length;
  return bytes;
}

/** Rows that are gathered column by column, to be handed to a worker thread at once. It copies what it is given. */
export class PackedRows {
  readonly #columns: readonly (PackedBytes | Scalars)[];
  #rows = 0;
  #bytes = 0;

  constructor(columns: readonly StoredColumn[]) {
    this.#columns = columns.map(({ element, numbers }) =>
      element.type === 'BYTE_ARRAY' || numbers !== undefined ? new PackedBytes() : new Scalars(),
    );
  }

  get rows(): number {
    return this.#rows;
  }

  /** As they were counted. */
  get bytes(): number {
    return this.#bytes;
  }

  add(cells: readonly Cell[], bytes: number): void {
    for (let i = 0; i < this.#columns.length; i++) this.#columns[i]?.add(cells[i] ?? null);
    this.#rows++;
    this.#bytes += bytes;
  }

  /** The columns, and the buffers in them. */
  take(): { values: ColumnValues[]; buffers: ArrayBuffer[] } {
    const values = this.#columns.map((column) => column.take());
    const buffers = values.flatMap((value) => ('bytes' in value ? [value.bytes.buffer, value.lengths.buffer] : []));
    return { values, buffers };
  }
}

class PackedBytes {
  #bytes = new Uint8Array(0);
  #used = 0;
  readonly #lengths: number[] = [];

  add(cell: Cell): void {
    if (!(cell instanceof Uint8Array)) {
      this.#lengths.push(-1);
      return;
    }
    const end = this.#used + cell.length;
    if (end > this.#bytes.length)
      this.#bytes = new Uint8Array(this.#bytes.buffer.transfer(Math.max(end, 2 * this.#bytes.length)));
    this.#bytes.set(cell, this.#used);
    this.#used = end;
    this.#lengths.push(cell.length);
  }

  take(): ColumnValues {
    return { bytes: this.#bytes.subarray(0, this.#used), lengths: Int32Array.from(this.#lengths) };
  }
}

class Scalars {
  readonly #values: (number | bigint | boolean | null)[] = [];

  add(cell: Cell): void {
    if (!(cell instanceof Uint8Array)) this.#values.push(cell);
  }

  take(): ColumnValues {
    return { scalars: this.#values };
  }
}
