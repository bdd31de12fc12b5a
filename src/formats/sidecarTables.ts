import type Sqlite from 'better-sqlite3';
import { asNewFile, RowInserter, type SqliteValue } from './sqlite.ts';

/**
 * Tables of a hypergraph database in the order of the file, with the number of their columns. Readers of schema 3 ask for
 * columns by name, so further columns do not disturb them.
 */
const tables = `
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE nodes(id INTEGER PRIMARY KEY, data BLOB NOT NULL, metadata TEXT NOT NULL);
CREATE TABLE hyperedges(id INTEGER PRIMARY KEY, vertices BLOB NOT NULL, data BLOB NOT NULL);
CREATE TABLE sphere_patches(node_id INTEGER PRIMARY KEY, patch_idx INTEGER NOT NULL, prominence REAL NOT NULL);
CREATE TABLE sphere_edges(id INTEGER PRIMARY KEY, src_patch INTEGER NOT NULL, dst_patch INTEGER NOT NULL, weight REAL NOT NULL, label TEXT NOT NULL);
CREATE TABLE documents(document INTEGER PRIMARY KEY, doc_id TEXT NOT NULL, uri TEXT NOT NULL, record TEXT, node_id INTEGER NOT NULL,
  first_patch INTEGER NOT NULL, patches INTEGER NOT NULL, first_byte INTEGER NOT NULL, bytes INTEGER NOT NULL,
  modality TEXT NOT NULL, part INTEGER NOT NULL, complete INTEGER NOT NULL, patches_before INTEGER NOT NULL,
  bytes_before INTEGER NOT NULL, document_bytes INTEGER NOT NULL, sha256 TEXT, content_sha256 TEXT NOT NULL, whole_sha256 TEXT,
  ordinal INTEGER NOT NULL, byte INTEGER, line INTEGER, row INTEGER, member TEXT, record_part INTEGER, meta TEXT NOT NULL);
CREATE TABLE segments(segment INTEGER PRIMARY KEY, document INTEGER NOT NULL, segment_index INTEGER NOT NULL,
  node_id INTEGER NOT NULL, label TEXT NOT NULL, modality TEXT NOT NULL, media_type TEXT NOT NULL,
  first_patch INTEGER NOT NULL, patches INTEGER NOT NULL, first_byte INTEGER NOT NULL, bytes INTEGER NOT NULL,
  start INTEGER NOT NULL, segment_bytes INTEGER NOT NULL, origin_start INTEGER NOT NULL, origin_end INTEGER NOT NULL,
  derived TEXT, meta TEXT NOT NULL);
`;

/** Tables that are made only where they have rows. */
const further = {
  document_vectors: 'CREATE TABLE document_vectors(document INTEGER PRIMARY KEY, vector BLOB NOT NULL);',
  patch_samples: 'CREATE TABLE patch_samples(patch_idx INTEGER PRIMARY KEY, vector BLOB NOT NULL);',
  document_edges: `CREATE TABLE document_edges(src_document INTEGER NOT NULL, dst_document INTEGER NOT NULL, label TEXT NOT NULL,
  weight REAL NOT NULL, PRIMARY KEY(src_document, dst_document, label)) WITHOUT ROWID;`,
  shards: `CREATE TABLE shards(shard INTEGER PRIMARY KEY, path TEXT NOT NULL, split TEXT NOT NULL, split_shard INTEGER NOT NULL,
  first_document INTEGER NOT NULL, first_patch INTEGER NOT NULL, patches INTEGER NOT NULL, first_byte INTEGER NOT NULL, bytes INTEGER NOT NULL);`,
};

const columns = {
  nodes: 3,
  hyperedges: 3,
  sphere_patches: 3,
  sphere_edges: 5,
  documents: 25,
  segments: 17,
  document_vectors: 2,
  patch_samples: 2,
  document_edges: 4,
  shards: 9,
} as const;

export type TableName = keyof typeof columns;
export type FurtherTable = keyof typeof further;

/** Columns that name a row of a table; they come first. */
export function keysOf(table: TableName): readonly string[] {
  return keys[table];
}

const keys: Readonly<Record<TableName, readonly string[]>> = {
  nodes: ['id'],
  hyperedges: ['id'],
  sphere_patches: ['node_id'],
  sphere_edges: ['id'],
  documents: ['document'],
  segments: ['segment'],
  document_vectors: ['document'],
  patch_samples: ['patch_idx'],
  document_edges: ['src_document', 'dst_document', 'label'],
  shards: ['shard'],
};

/** Where rows go: to a database, or to be compared with what is there. */
export interface RowTarget {
  rows(table: TableName): { add(...row: readonly SqliteValue[]): void };
}

/** Makes the tables of an empty database, which is published by rename: it needs neither a journal nor a sync of its own. */
export function createTables(db: Sqlite.Database): void {
  asNewFile(db);
  db.exec('BEGIN');
  db.exec(tables);
}

export function setMeta(db: Sqlite.Database, entries: Readonly<Record<string, string>>): void {
  const insert = db.prepare<[string, string]>('INSERT INTO meta VALUES (?, ?)');
  for (const key of Object.keys(entries).sort()) insert.run(key, entries[key] ?? '');
}

/** Rows for the tables of a database, gathered to be inserted many at a time. */
export class RowWriter implements RowTarget {
  readonly #db: Sqlite.Database;
  readonly #inserters = new Map<TableName, RowInserter>();

  constructor(db: Sqlite.Database) {
    this.#db = db;
  }

  /** Makes a table that not every database has. */
  create(table: FurtherTable): void {
    this.#db.exec(further[table]);
  }

  rows(table: TableName): RowInserter {
    let inserter = this.#inserters.get(table);
    if (inserter === undefined) {
      inserter = new RowInserter(this.#db, table, columns[table]);
      this.#inserters.set(table, inserter);
    }
    return inserter;
  }

  /** Inserts what was gathered; before anybody else reads. */
  flush(): void {
    for (const inserter of this.#inserters.values()) inserter.flush();
  }
}

/** Indexes whose entries come in their own order, row by row: they may be there before the rows as well. */
export const patchIndexes = `
CREATE INDEX idx_sphere_patches_patch ON sphere_patches(patch_idx);
CREATE INDEX idx_sphere_edges_label ON sphere_edges(label);
`;

/** Made after the rows: one sorted pass. */
export const documentIndex = 'CREATE INDEX idx_documents_id ON documents(doc_id);';

/** Made where a document is a view of a record. */
export const recordIndex = 'CREATE INDEX idx_documents_record ON documents(record) WHERE record IS NOT NULL;';

/** Made where patches are linked by more than their order. */
export const linkIndexes = `
CREATE INDEX idx_sphere_edges_src ON sphere_edges(src_patch) WHERE label <> 'next';
CREATE INDEX idx_sphere_edges_dst ON sphere_edges(dst_patch) WHERE label <> 'next';
`;
