import type Sqlite from 'better-sqlite3';
import { asNewFile, openSqlite, sqliteError } from '../../formats/sqlite.ts';
import { QUANTIZATION_KEY } from '../../quantization/fieldTensors.ts';
import { answering, type DatabaseAnswer } from '../hypergraph/failure.ts';
import { createStatements, quoted, type TableSpec } from './schema.ts';

export interface GatherTask {
  /** Absolute path of a file that does not exist yet. */
  readonly file: string;
  readonly format: string;
  readonly tables: readonly TableSpec[];
  /** Absolute paths of databases with these tables, in order. */
  readonly parts: readonly string[];
  /** Shared; becomes 1 where nobody waits any more. */
  readonly stop: Int32Array;
}

/** SQLite's page cache: entries of the index by id come in no order. */
const CACHE_KIB = 64 << 10;

/** Copies the rows of some databases into one, under numbers that go on from one to the next, in a worker thread. */
export default function gatherTables(task: GatherTask): Promise<DatabaseAnswer<null>> {
  const { file, format, tables, parts, stop } = task;
  return answering(async () => {
    const db = await openSqlite(file);
    try {
      asNewFile(db);
      db.pragma(`cache_size = -${CACHE_KIB}`);
      const [first] = parts;
      db.exec(first === undefined ? createStatements(tables) : statementsOf(db, first));
      // sorting the entries afterwards would take room for them once more, where the system has its temporary files
      for (const { index } of tables) db.exec(index);
      const meta = db.prepare<[string, string]>('INSERT INTO meta VALUES (?, ?)');
      meta.run('files', String(parts.length));
      meta.run('format', format);
      if (first !== undefined) copyQuantization(db, first);
      for (const part of parts) {
        if (Atomics.load(stop, 0) === 1) throw new Error('nobody waits for the tables any more');
        copy(db, tables, part);
      }
      return null;
    } catch (error) {
      throw sqliteError(error, file);
    } finally {
      db.close();
    }
  });
}

/** What makes the tables that a database has: which columns there are depends on what is quantized. */
function statementsOf(db: Sqlite.Database, part: string): string {
  return attached(db, part, () => {
    const statements = db.prepare<[], string>("SELECT sql FROM part.sqlite_master WHERE type = 'table' ORDER BY rowid");
    return statements.pluck().all().join(';\n');
  });
}

function copyQuantization(db: Sqlite.Database, part: string): void {
  attached(db, part, () => {
    db.prepare('INSERT INTO main.meta SELECT key, value FROM part.meta WHERE key = ?').run(QUANTIZATION_KEY);
  });
}

function attached<R>(db: Sqlite.Database, part: string, use: () => R): R {
  db.prepare('ATTACH ? AS part').run(part);
  const result = use();
  db.exec('DETACH part');
  return result;
}

function copy(db: Sqlite.Database, tables: readonly TableSpec[], part: string): void {
  const shifts = new Map(
    tables.map(({ name, key }) => {
      const next = db.prepare<[], number>(`SELECT coalesce(max(${key}) + 1, 0) FROM ${name}`).pluck().get() ?? 0;
      return [key as string, next];
    }),
  );
  const shifted = (name: string): string => {
    const shift = shifts.get(name);
    return shift === undefined ? quoted(name) : `${quoted(name)} + ${shift}`;
  };
  attached(db, part, () => {
    db.exec('BEGIN');
    for (const { name, key } of tables) {
      const columns = db.prepare<[string], string>("SELECT name FROM pragma_table_info(?, 'main')").pluck().all(name);
      const values = columns.map(shifted).join(', ');
      db.exec(`INSERT INTO main.${name} SELECT ${values} FROM part.${name} ORDER BY ${key}`);
    }
    db.exec('COMMIT');
  });
}
