import type Sqlite from 'better-sqlite3';
import { asNewFile, openSqlite, RowInserter, type SqliteValue, sqliteError } from '../../formats/sqlite.ts';
import { answering, type DatabaseAnswer } from '../hypergraph/failure.ts';
import type { ColumnValues } from '../table/packedRows.ts';
import { createStatements, isTextColumn, type TableSpec } from './schema.ts';

/** A table, and the rows that it shall have. */
export interface FilledTable extends TableSpec {
  readonly rows: number;
  readonly values: readonly ColumnValues[];
}

export interface TableFileTask {
  /** Absolute path of a file that does not exist yet. */
  readonly file: string;
  readonly meta: Readonly<Record<string, string>>;
  readonly tables: readonly FilledTable[];
}

/** Builds a database of given rows in a worker thread, where SQLite's synchronous calls hold nobody up. */
export default function buildTableFile({ file, meta, tables }: TableFileTask): Promise<DatabaseAnswer<null>> {
  return answering(async () => {
    const db = await openSqlite(file);
    try {
      asNewFile(db);
      db.exec('BEGIN');
      db.exec(createStatements(tables));
      const insert = db.prepare<[string, string]>('INSERT INTO meta VALUES (?, ?)');
      for (const [key, value] of Object.entries(meta).sort(([a], [b]) => (a < b ? -1 : 1))) insert.run(key, value);
      for (const table of tables) fill(db, table);
      for (const { index } of tables) db.exec(index);
      db.exec('COMMIT');
      return null;
    } catch (error) {
      throw sqliteError(error, file);
    } finally {
      db.close();
    }
  });
}

function fill(db: Sqlite.Database, { name, columns, rows, values }: FilledTable): void {
  const inserter = new RowInserter(db, name, columns.length + 1);
  const readers = columns.map((column, i) => reader(values[i] ?? { scalars: [] }, isTextColumn(column)));
  for (let row = 0; row < rows; row++) inserter.add(row, ...readers.map((next) => next(row)));
  inserter.flush();
}

/** Gives the values of a column row by row. */
function reader(values: ColumnValues, isText: boolean): (row: number) => SqliteValue {
  if ('scalars' in values) {
    const { scalars } = values;
    return (row) => {
      const value = scalars[row] ?? null;
      return typeof value === 'boolean' ? Number(value) : value;
    };
  }
  const { lengths } = values;
  const bytes = Buffer.from(values.bytes.buffer, values.bytes.byteOffset, values.bytes.byteLength);
  let at = 0;
  return (row) => {
    const length = lengths[row] ?? -1;
    if (length < 0) return null;
    const from = at;
    at += length;
    return isText ? bytes.toString('utf8', from, at) : bytes.subarray(from, at);
  };
}
