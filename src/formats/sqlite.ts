import type Sqlite from 'better-sqlite3';
import { OutputError } from '../errors.ts';

/**
 * Opens an SQLite database; the package is loaded on first use, since nothing but sidecars needs it.
 * @throws OutputError `MISSING_PACKAGE` where better-sqlite3 is not installed, `SQLITE_...` where the file cannot be opened
 */
export async function openSqlite(file: string, options: Sqlite.Options = {}): Promise<Sqlite.Database> {
  const { default: Database } = await import('better-sqlite3').catch((cause: unknown) => {
    throw new OutputError('hypergraph sidecars need the package better-sqlite3', {
      code: 'MISSING_PACKAGE',
      hint: 'npm install better-sqlite3, or leave the hypergraph sink out',
      cause,
    });
  });
  try {
    return new Database(file, options);
  } catch (cause) {
    throw sqliteError(cause, file);
  }
}

/** An SQLite error as an error of the output, under the code of the disk where that is the reason. */
export function sqliteError(cause: unknown, file: string): unknown {
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

export type SqliteValue = number | string | Uint8Array | null;

/** Rows that one statement inserts: beyond this many the cost of the call no longer shows. */
const BATCH = 32;

/** Inserts rows in order, many with one statement; half the cost of one statement a row. `flush` inserts what is left. */
export class RowInserter {
  readonly #many: Sqlite.Statement<SqliteValue[]>;
  readonly #one: Sqlite.Statement<SqliteValue[]>;
  readonly #columns: number;
  #values: SqliteValue[] = [];

  constructor(db: Sqlite.Database, table: string, columns: number) {
    const row = `(${Array(columns).fill('?').join(', ')})`;
    this.#one = db.prepare(`INSERT INTO ${table} VALUES ${row}`);
    this.#many = db.prepare(`INSERT INTO ${table} VALUES ${Array(BATCH).fill(row).join(', ')}`);
    this.#columns = columns;
  }

  add(...row: readonly SqliteValue[]): void {
    this.#values.push(...row);
    if (this.#values.length < BATCH * this.#columns) return;
    this.#many.run(...this.#values);
    this.#values = [];
  }

  flush(): void {
    for (let i = 0; i < this.#values.length; i += this.#columns)
      this.#one.run(...this.#values.slice(i, i + this.#columns));
    this.#values = [];
  }
}
