import type Sqlite from 'better-sqlite3';
import { SluiceError } from '../../errors.ts';
import type { Complain } from '../checkNumbers.ts';
import { RowComparer } from '../rowComparer.ts';
import type { FurtherTable, TableName } from '../sidecarTables.ts';
import { openSqlite } from '../sqlite.ts';
import { addCorpus, corpusMeta, settingsOf } from './corpusGraph.ts';
import { type CopiedRows, type CorpusTarget, copied } from './corpusTarget.ts';
import type { CorpusPart } from './sidecarFile.ts';

const tables: readonly TableName[] = [
  ...(['nodes', 'hyperedges', 'sphere_patches', 'sphere_edges', 'documents', 'segments'] as const),
  ...(['document_vectors', 'patch_samples', 'document_edges', 'shards'] as const),
];

/**
 * Checks the database of a whole run against the sidecars that it was made of: every row of every table must be the one that
 * they ask for, with links between documents found anew, and nothing else may be there. It takes what making it takes.
 *
 * @param pause called between sidecars, and awaited; throws where nobody waits for the result any more
 * @throws SluiceError where a file is no database or lacks a table
 */
export async function checkCorpus(
  file: string,
  parts: readonly CorpusPart[],
  complain: Complain,
  pause: () => Promise<void>,
): Promise<void> {
  const db = await openSqlite(file, { readonly: true, fileMustExist: true });
  try {
    const settings = await settingsOf(parts);
    const comparer = new CorpusComparer(db, complain);
    comparer.checkMeta(corpusMeta(settings));
    await addCorpus(db, comparer, settings, { parts, pause });
    comparer.finish();
  } catch (error) {
    if (error instanceof SluiceError) throw error;
    throw new SluiceError(`cannot be read: ${(error as Error).message}`, {
      code: 'BAD_SIDECAR',
      path: file,
      cause: error,
    });
  } finally {
    db.close();
  }
}

/** Compares the rows of a corpus with those that are there. */
class CorpusComparer implements CorpusTarget {
  readonly #db: Sqlite.Database;
  readonly #rows: RowComparer;
  #attached = false;

  constructor(db: Sqlite.Database, complain: Complain) {
    this.#db = db;
    this.#rows = new RowComparer(db, complain);
  }

  get isSound(): boolean {
    return this.#rows.isSound;
  }

  checkMeta(expected: Readonly<Record<string, string>>): void {
    const rows = this.#db.prepare<[], [string, string]>('SELECT key, value FROM meta ORDER BY key').raw().all();
    const found = Object.fromEntries(rows);
    for (const key of new Set([...Object.keys(expected), ...Object.keys(found)])) {
      if (found[key] === expected[key]) continue;
      this.#rows.bad(`says ${key} is '${found[key] ?? ''}', and it is '${expected[key] ?? ''}'`);
    }
  }

  rows(table: TableName): ReturnType<RowComparer['rows']> {
    return this.#rows.rows(table);
  }

  create(table: FurtherTable): void {
    this.#rows.create(table);
  }

  index(statements: string): void {
    const known = this.#db.prepare<[string], string>('SELECT sql FROM main.sqlite_master WHERE name = ?').pluck();
    for (const [statement, name = ''] of statements.matchAll(/CREATE INDEX (\w+)[^;]*/g)) {
      if (known.get(name) !== statement) this.#rows.bad(`lacks the index ${name}`);
    }
  }

  reading(work: () => void): void {
    work();
  }

  flush(): void {}

  take(file: string): void {
    if (this.#attached) this.#db.exec('DETACH part');
    this.#db.prepare('ATTACH ? AS part').run(file);
    this.#attached = true;
  }

  copy({ table, from, end, ...shift }: CopiedRows): void {
    const { key, columns } = copied[table];
    const moved = (name: string, by: 'key' | 'patch' | undefined): string =>
      by === undefined ? `p.${name}` : `p.${name} + ${shift[by]}`;
    const range = `p.${key} >= ? AND p.${key} < ?`;
    const differs = columns.map(([name, by]) => `c.${name} IS NOT ${moved(name, by)}`).join(' OR ');
    const first = this.#db
      .prepare<[number, number], number>(
        `SELECT ${moved(key, 'key')} FROM part.${table} p LEFT JOIN main.${table} c ON c.${key} = ${moved(key, 'key')}
         WHERE ${range} AND (${differs}) LIMIT 1`,
      )
      .pluck();
    const wrong = first.get(from, end);
    if (wrong !== undefined) this.#rows.bad(`has row ${wrong} of ${table} other than the sidecar it comes from`);
    const count = this.#db
      .prepare<[number, number], number>(`SELECT count(*) FROM part.${table} p WHERE ${range}`)
      .pluck();
    this.#rows.count(table, count.get(from, end) ?? 0);
  }

  finish(): void {
    if (this.isSound) this.#rows.end(tables);
    if (this.#attached) this.#db.exec('DETACH part');
  }
}
