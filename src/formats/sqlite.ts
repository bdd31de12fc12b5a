import type Sqlite from 'better-sqlite3';
import { OutputError } from '../errors.ts';

/**
 * Opens an SQLite database; the package is loaded on first use, since few sinks need it.
 * @throws OutputError `MISSING_PACKAGE` where better-sqlite3 is not installed, `SQLITE_...` where the file cannot be opened
 */
export async function openSqlite(file: string, options: Sqlite.Options = {}): Promise<Sqlite.Database> {
  return (await sqliteOpener())(file, options);
}

/**
 * Loads the package; what it gives opens databases without waiting.
 * @throws OutputError `MISSING_PACKAGE`
 */
export async function sqliteOpener(): Promise<(file: string, options?: Sqlite.Options) => Sqlite.Database> {
  const { default: Database } = await import('better-sqlite3').catch((cause: unknown) => {
    throw new OutputError('SQLite files need the package better-sqlite3', {
      code: 'MISSING_PACKAGE',
      hint: 'npm install better-sqlite3, or leave the hypergraph and sqlite sinks out',
      cause,
    });
  });
  return (file, options = {}) => {
    try {
      return new Database(file, options);
    } catch (cause) {
      throw sqliteError(cause, file);
    }
  };
}

/**
 * Makes an empty database one that is written by one process, once, and published by rename: it needs neither a journal nor a
 * sync of its own, and its bytes are a function of the statements alone.
 */
export function asNewFile(db: Sqlite.Database): void {
  db.pragma('page_size = 4096');
  db.pragma('encoding = "UTF-8"');
  db.pragma('journal_mode = OFF');
  db.pragma('synchronous = OFF');
  db.pragma('locking_mode = EXCLUSIVE');
  // free space is zeroed, so that the file is a function of its rows
  db.pragma('secure_delete = ON');
}

/** An SQLite error as an error of the output, under the code of the disk where that is the reason. */
export function sqliteError(cause: unknown, file: string): unknown {
  if (cause instanceof OutputError) return cause;
  const code = (cause as { code?: unknown } | null)?.code;
  if (typeof code !== 'string' || !code.startsWith('SQLITE_')) return cause;
  return new OutputError(`SQLite: ${(cause as Error).message}`, { code: diskCode(code), path: file, cause });
}

function diskCode(code: string): string {
  if (code === 'SQLITE_FULL') return 'ENOSPC';
  if (code.startsWith('SQLITE_IOERR')) return 'EIO';
  if (code.startsWith('SQLITE_READONLY')) return 'EROFS';
  return code;
}

export type SqliteValue = number | bigint | string | Uint8Array | null;

/** Rows that one statement inserts: beyond this many the cost of the call no longer shows. */
const BATCH = 32;
/** Values that SQLite takes in one statement. */
const MOST_VALUES = 32_766;

/** Inserts rows in order, many with one statement; half the cost of one statement a row. `flush` inserts what is left. */
export class RowInserter {
  readonly #many: Sqlite.Statement<SqliteValue[]>;
  readonly #one: Sqlite.Statement<SqliteValue[]>;
  readonly #columns: number;
  readonly #batch: number;
  #values: SqliteValue[] = [];

  constructor(db: Sqlite.Database, table: string, columns: number) {
    const row = `(${Array(columns).fill('?').join(', ')})`;
    this.#one = db.prepare(`INSERT INTO ${table} VALUES ${row}`);
    this.#batch = Math.max(1, Math.min(BATCH, Math.floor(MOST_VALUES / columns)));
    this.#many = db.prepare(`INSERT INTO ${table} VALUES ${Array(this.#batch).fill(row).join(', ')}`);
    this.#columns = columns;
  }

  add(...row: readonly SqliteValue[]): void {
    this.#values.push(...row);
    if (this.#values.length < this.#batch * this.#columns) return;
    this.#many.run(...this.#values);
    this.#values = [];
  }

  flush(): void {
    for (let i = 0; i < this.#values.length; i += this.#columns)
      this.#one.run(...this.#values.slice(i, i + this.#columns));
    this.#values = [];
  }
}
