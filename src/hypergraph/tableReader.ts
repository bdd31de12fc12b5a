import type Sqlite from 'better-sqlite3';
import { SluiceError } from '../errors.ts';
import { sqliteError } from '../formats/sqlite.ts';

/** Rows that are read at once: nothing is left open between them, so that searches may be nested and given up. */
const PAGE = 256;

type Value = number | string;

/**
 * Reads one database; statements are prepared once, and what SQLite complains of is told with the file's name. It is opened when
 * it is asked for something, and may be put to sleep in between.
 */
export class TableReader {
  readonly file: string;
  readonly #open: () => Sqlite.Database;
  readonly #onUse: () => void;
  #db: Sqlite.Database | undefined;
  readonly #statements = new Map<string, Sqlite.Statement<Value[], unknown>>();

  /** `onUse` is called whenever it is asked for something. */
  constructor(file: string, open: () => Sqlite.Database, onUse: () => void) {
    this.file = file;
    this.#open = open;
    this.#onUse = onUse;
  }

  get<R>(sql: string, ...values: Value[]): R | undefined {
    return this.#told(() => this.#statement(sql).get(...values)) as R | undefined;
  }

  /**
   * Rows of a statement that ends in `key > ? ... ORDER BY key LIMIT ?`, whose last value but the limit is the key behind
   * which it goes on.
   */
  *pages<R>(sql: string, keyOf: (row: R) => number, after: number, ...values: Value[]): Generator<R, void, undefined> {
    for (let key = after; ; ) {
      const rows = this.#told(() => this.#statement(sql).all(...values, key, PAGE)) as R[];
      yield* rows;
      const last = rows.at(-1);
      if (last === undefined || rows.length < PAGE) return;
      key = keyOf(last);
    }
  }

  has(kind: 'table' | 'index', name: string): boolean {
    return this.get('SELECT 1 FROM sqlite_master WHERE type = ? AND name = ?', kind, name) !== undefined;
  }

  bad(what: string): SluiceError {
    return new SluiceError(`${this.file} ${what}`, {
      code: 'BAD_SIDECAR',
      path: this.file,
      hint: "where sluice has written it, 'sluice verify' on its output tells what is wrong",
    });
  }

  /** Closes the file until it is asked for something again. */
  sleep(): void {
    this.#statements.clear();
    this.#db?.close();
    this.#db = undefined;
  }

  #statement(sql: string): Sqlite.Statement<Value[], unknown> {
    this.#onUse();
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      this.#db ??= this.#open();
      statement = this.#db.prepare<Value[], unknown>(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #told<R>(read: () => R): R {
    try {
      return read();
    } catch (error) {
      const { code, message } = error as { code?: unknown; message: string };
      if (typeof code === 'string' && /^SQLITE_(NOTADB|CORRUPT|ERROR$)/.test(code))
        throw this.bad(`is no hypergraph, or damaged: ${message}`);
      throw sqliteError(error, this.file);
    }
  }
}
