import { rmSync } from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import type { Document } from '../../src/records.ts';
import { sqlite } from '../../src/sinks/index.ts';
import { metaJson } from '../../src/sinks/metaJson.ts';
import type { Bench, Measure } from '../harness.ts';
import { patchesOf, writeThrough } from './files.ts';

const ROUNDS = 9;

const rowsPerSecond = (rows: number): Measure => ({ unit: 'rows/cpu-s', of: (seconds) => rows / seconds });

/** Rows into SQLite, against better-sqlite3 alone: one transaction, a statement for each row, no journal, no sync. */
export async function tables(bench: Bench, folder: string, documents: readonly Document[]): Promise<void> {
  const root = path.join(folder, 'sqlite');
  await bench.compare({
    case: `documents of ${documents[0]?.bytes.length ?? 0} bytes to SQLite`,
    measure: rowsPerSecond(documents.length),
    run: () => writeThrough(sqlite('documents'), documents, root),
    peer: { name: 'better-sqlite3', run: () => insertDocuments(path.join(folder, 'peer.db'), documents) },
    rounds: ROUNDS,
  });
  const values = patchesOf(200, 200, 64);
  const rows = values.reduce((sum, value) => sum + value.lengths.length, 0);
  await bench.compare({
    case: 'patches of 64 numbers to SQLite',
    measure: rowsPerSecond(rows),
    run: () => writeThrough(sqlite('patches'), values, root),
    peer: { name: 'better-sqlite3', run: () => insertPatches(path.join(folder, 'peer.db'), values) },
    rounds: ROUNDS,
  });
}

function fresh(file: string): Database.Database {
  rmSync(file, { force: true });
  const db = new Database(file);
  db.pragma('journal_mode = OFF');
  db.pragma('synchronous = OFF');
  return db;
}

function insertDocuments(file: string, documents: readonly Document[]): void {
  const db = fresh(file);
  db.exec(
    'CREATE TABLE documents(document INTEGER PRIMARY KEY, id TEXT, uri TEXT, text TEXT, byte INTEGER, line INTEGER, meta TEXT)',
  );
  const insert = db.prepare('INSERT INTO documents VALUES (?, ?, ?, ?, ?, ?, ?)');
  db.transaction(() => {
    for (const [i, { id, source, bytes, meta }] of documents.entries()) {
      const { byte, line } = source.position;
      const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
      insert.run(i, id, source.uri, text, byte, line, metaJson(meta));
    }
  })();
  db.close();
}

function insertPatches(file: string, values: ReturnType<typeof patchesOf>): void {
  const db = fresh(file);
  db.exec(
    'CREATE TABLE patches(patch INTEGER PRIMARY KEY, document INTEGER, bytes BLOB, prominence REAL, entropy REAL, embedding BLOB)',
  );
  const insert = db.prepare('INSERT INTO patches VALUES (?, ?, ?, ?, ?, ?)');
  db.transaction(() => {
    let patch = 0;
    for (const [document, { lengths, bytes, prominence, entropy, embeddings, dim }] of values.entries()) {
      let at = 0;
      for (const [i, length] of lengths.entries()) {
        const numbers = Buffer.from(embeddings.buffer, embeddings.byteOffset + 4 * dim * i, 4 * dim);
        insert.run(patch++, document, bytes.subarray(at, at + length), prominence[i], entropy[i], numbers);
        at += length;
      }
    }
  })();
  db.close();
}
