import type Sqlite from 'better-sqlite3';
import type { Complain } from './checkNumbers.ts';
import { type FurtherTable, keysOf, type RowTarget, type TableName } from './sidecarTables.ts';
import type { SqliteValue } from './sqlite.ts';

/** Complaints about one file after which the rest says nothing new. */
const MOST_COMPLAINTS = 20;

/** Compares rows that a database should have with those that are there, by their keys, and counts them. */
export class RowComparer implements RowTarget {
  readonly #db: Sqlite.Database;
  readonly #complain: Complain;
  readonly #counts = new Map<TableName, number>();
  readonly #statements = new Map<TableName, Sqlite.Statement<SqliteValue[], SqliteValue[]>>();
  #complaints = 0;

  constructor(db: Sqlite.Database, complain: Complain) {
    this.#db = db;
    this.#complain = complain;
  }

  get isSound(): boolean {
    return this.#complaints === 0;
  }

  /** Whether enough was found. */
  get isFull(): boolean {
    return this.#complaints >= MOST_COMPLAINTS;
  }

  rows(table: TableName): { add(...row: readonly SqliteValue[]): void } {
    return { add: (...row) => this.#compare(table, row) };
  }

  /** Counts rows that were compared in some other way. */
  count(table: TableName, rows: number): void {
    this.#counts.set(table, (this.#counts.get(table) ?? 0) + rows);
  }

  /** A table that not every database has. */
  create(table: FurtherTable): void {
    if (!this.#has(table)) this.bad(`lacks the table ${table}`);
  }

  /** Nothing may be there but what was compared. */
  end(tables: readonly TableName[]): void {
    for (const table of tables) {
      const expected = this.#counts.get(table) ?? 0;
      const found = this.#has(table)
        ? (this.#db.prepare<[], number>(`SELECT count(*) FROM main.${table}`).pluck().get() ?? 0)
        : 0;
      if (found > expected) this.bad(`has more ${table} than its documents need: ${found}, and not ${expected}`);
    }
  }

  bad(what: string): void {
    if (!this.isFull) this.#complain(what);
    this.#complaints++;
  }

  #compare(table: TableName, expected: readonly SqliteValue[]): void {
    this.count(table, 1);
    if (this.isFull) return;
    const keys = keysOf(table);
    const key = expected.slice(0, keys.length);
    let found: SqliteValue[] | undefined;
    try {
      found = this.#statement(table, keys).get(...key);
    } catch (error) {
      // told where the table was to be there
      if (this.#has(table)) throw error;
      return;
    }
    if (found === undefined) {
      this.bad(`lacks row ${key.join(', ')} of ${table}`);
      return;
    }
    const at = expected.findIndex((value, i) => !isSame(value, found[i]));
    if (at === -1 && found.length === expected.length) return;
    this.bad(`has row ${key.join(', ')} of ${table} with ${shown(found[at])} where ${shown(expected[at])} should be`);
  }

  #statement(table: TableName, keys: readonly string[]): Sqlite.Statement<SqliteValue[], SqliteValue[]> {
    let statement = this.#statements.get(table);
    if (statement === undefined) {
      const where = keys.map((key) => `${key} = ?`).join(' AND ');
      statement = this.#db.prepare<SqliteValue[], SqliteValue[]>(`SELECT * FROM main.${table} WHERE ${where}`).raw();
      this.#statements.set(table, statement);
    }
    return statement;
  }

  #has(table: string): boolean {
    const tables = this.#db.prepare("SELECT 1 FROM main.sqlite_master WHERE type = 'table' AND name = ?");
    return tables.get(table) !== undefined;
  }
}

function isSame(a: SqliteValue | undefined, b: SqliteValue | undefined): boolean {
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b) === 0;
  return a === b;
}

function shown(value: SqliteValue | undefined): string {
  if (value instanceof Uint8Array) return `a blob of ${value.length} bytes`;
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 80 ? `${text.slice(0, 80)}...` : text;
}
