import type Sqlite from 'better-sqlite3';
import { createTables, type FurtherTable, patchIndexes, RowWriter, setMeta, type TableName } from '../sidecarTables.ts';
import type { RowInserter } from '../sqlite.ts';
import { type CopiedRows, type CorpusTarget, copied } from './corpusTarget.ts';

/** SQLite's page cache. */
const CACHE_KIB = 64 << 10;

/** Fills an empty database with the rows of a corpus. */
export class CorpusWriter implements CorpusTarget {
  readonly isSound = true;
  readonly db: Sqlite.Database;
  readonly #writer: RowWriter;
  #attached = false;

  constructor(db: Sqlite.Database, meta: Readonly<Record<string, string>>) {
    this.db = db;
    db.pragma(`cache_size = -${CACHE_KIB}`);
    createTables(db);
    setMeta(db, meta);
    // sorting so many entries afterwards would take room for them once more, where the system has its temporary files
    db.exec(patchIndexes);
    this.#writer = new RowWriter(db);
  }

  rows(table: TableName): RowInserter {
    return this.#writer.rows(table);
  }

  create(table: FurtherTable): void {
    this.#writer.create(table);
  }

  index(statements: string): void {
    this.flush();
    this.db.exec(statements);
  }

  reading(work: () => void): void {
    this.db.unsafeMode(true);
    try {
      work();
    } finally {
      this.db.unsafeMode(false);
    }
  }

  flush(): void {
    this.#writer.flush();
  }

  take(file: string): void {
    // nothing can be attached within a transaction
    this.db.exec('COMMIT');
    if (this.#attached) this.db.exec('DETACH part');
    this.db.prepare('ATTACH ? AS part').run(file);
    this.#attached = true;
    this.db.exec('BEGIN');
  }

  copy({ table, from, end, ...shift }: CopiedRows): void {
    const { key, columns } = copied[table];
    const values = columns.map(([name, by]) => (by === undefined ? name : `${name} + ${shift[by]}`));
    this.db
      .prepare(
        `INSERT INTO main.${table} SELECT ${values.join(', ')} FROM part.${table} WHERE ${key} >= ? AND ${key} < ? ORDER BY ${key}`,
      )
      .run(from, end);
  }

  finish(): void {
    this.flush();
    this.db.exec('COMMIT');
    if (this.#attached) this.db.exec('DETACH part');
    this.#attached = false;
  }
}
