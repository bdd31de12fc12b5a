import type { MetaValue } from '../records.ts';
import type { RowGroupTask } from './parquet.worker.ts';
import { FileBytes } from './parquet-files.ts';
import { convert, isNull, Unfit } from './parquet-values.ts';
import { passes } from './where.ts';

/** Stored values of a column; `start` and `end` count within the row group. Default: all of them. */
export type ColumnReader = (name: string, start?: number, end?: number) => Promise<ArrayLike<unknown>>;

/** The rows of a row group that conditions leave. */
export class Selection {
  readonly #passed: Uint8Array;
  readonly #unfit = new Map<number, Unfit>();
  readonly #known = new Map<number, MetaValue[]>();

  constructor(rows: number) {
    this.#passed = new Uint8Array(rows);
  }

  isPassed(row: number): boolean {
    return this.#passed[row] === 1;
  }

  /** Whether conditions have made the values of a column. */
  isKnown(column: number): boolean {
    return this.#known.has(column);
  }

  known(column: number, row: number): MetaValue | undefined {
    return this.#known.get(column)?.[row];
  }

  /** @throws Unfit where a column that conditions ask for cannot be read */
  requireFit(row: number): void {
    const unfit = this.#unfit.get(row);
    if (unfit !== undefined) throw unfit;
  }

  /** The first row that is left, and the one behind the last; 0 and 0 where there are none. */
  get first(): number {
    const first = this.#passed.indexOf(0);
    return first === -1 ? 0 : first;
  }

  get last(): number {
    return this.#passed.lastIndexOf(0) + 1;
  }

  /** Looks at every row that is left: `look` gives its value, or undefined where it fulfils a condition without one. */
  narrow(column: number, look: (row: number) => { passes: boolean; value: MetaValue | undefined }): void {
    const values: MetaValue[] = [];
    for (const [row, passed] of this.#passed.entries()) {
      if (passed === 1 || this.#unfit.has(row)) continue;
      try {
        const { passes: fits, value } = look(row);
        if (!fits) this.#passed[row] = 1;
        else if (value !== undefined) values[row] = value;
      } catch (error) {
        if (!(error instanceof Unfit)) throw error;
        this.#unfit.set(row, error);
      }
    }
    if (values.length > 0) this.#known.set(column, values);
  }
}

/** Reads the columns that conditions ask for, one after the other, so long as any row is left. */
export async function selectRows(
  { columns, where }: RowGroupTask,
  rows: number,
  read: ColumnReader,
): Promise<Selection> {
  const selection = new Selection(rows);
  // Files are asked for null alone, and of these nothing is kept.
  const files = new FileBytes(0);
  for (const { column: index, conditions } of where) {
    const { first, last } = selection;
    const column = columns[index];
    if (column === undefined || first === last) continue;
    const stored = await read(column.name, first, last);
    selection.narrow(index, (row) => {
      const own = stored[row - first];
      if (conditions.tests.length > 0 || isNull(column, own)) {
        const value = convert(column, own, files);
        return { passes: passes(conditions, value), value };
      }
      return { passes: conditions.isNull === false, value: undefined };
    });
  }
  return selection;
}
