import { existsSync } from 'node:fs';
import type Sqlite from 'better-sqlite3';
import { SluiceError } from '../errors.ts';
import { float32From, int32From } from '../formats/littleEndian.ts';
import { openSqlite } from '../formats/sqlite.ts';
import { type LayoutDocument, wholeDocument } from './document.ts';
import {
  badLayout,
  DEFAULT_ROW_BYTES,
  type Held,
  notQuantized,
  type PatchRows,
  type PatchTable,
  type RowsOptions,
  requireFinite,
  wants,
} from './layout.ts';

/**
 * Opens a database of a corpus: documents with their status, a row of embeddings for each patch, bytes and lengths of each
 * document.
 * @throws SluiceError `BAD_CORPUS` where it is no such database
 */
export async function openCorpusDb(path: string): Promise<CorpusDb> {
  if (!existsSync(path)) throw badLayout(path, 'BAD_CORPUS', 'does not exist');
  const db = await openSqlite(path, { readonly: true, fileMustExist: true });
  try {
    const dim = db.prepare<[], string>("SELECT value FROM meta WHERE key = 'embed_dim'").pluck().get();
    db.prepare('SELECT doc_id, status, byte_count, patch_count FROM documents LIMIT 1').get();
    db.prepare('SELECT doc_id, patch_idx, embedding, prominence, entropy FROM embeddings LIMIT 1').get();
    for (const table of ['embeddings', 'patch_bytes']) makePlaces(db, table);
    return new CorpusDb(path, db, Number(dim ?? 0));
  } catch (cause) {
    db.close();
    throw new SluiceError(`'${path}' is no corpus: ${(cause as Error).message}`, { code: 'BAD_CORPUS', path, cause });
  }
}

/**
 * Where the rows of each document are, in a temporary table: the database itself may have no index, cannot be given one, and
 * would be read through once for each document.
 */
function makePlaces(db: Sqlite.Database, table: string): void {
  const order = table === 'embeddings' ? 'patch_idx' : 'id';
  db.exec(`CREATE TEMP TABLE ${table}_places AS SELECT doc_id, ${order} AS place, id AS row FROM ${table};
CREATE INDEX temp.${table}_index ON ${table}_places(doc_id, place);`);
}

interface DocumentFacts {
  readonly doc_id: string;
  readonly byte_count: number;
  readonly patch_count: number;
}

interface EmbeddingRow {
  readonly patch_idx: number;
  readonly embedding: Uint8Array;
  readonly prominence: number | null;
  readonly entropy: number | null;
}

export interface PatchBytes {
  readonly raw_bytes: Uint8Array;
  readonly patch_lengths: Uint8Array;
}

/** Patches that wait in a corpus database; documents that are not complete are passed over. */
export class CorpusDb {
  readonly path: string;
  readonly dim: number;
  readonly #db: Sqlite.Database;

  constructor(path: string, db: Sqlite.Database, dim: number) {
    this.path = path;
    this.#db = db;
    this.dim = dim;
  }

  /** Complete documents in the order in which they were exported: by the bytes of their ids. */
  *documents(): Generator<LayoutDocument, void, undefined> {
    const documents = this.#db.prepare<[], DocumentFacts>(
      "SELECT doc_id, byte_count, patch_count FROM documents WHERE status = 'complete' ORDER BY doc_id",
    );
    for (const { doc_id: id, byte_count: byteLength, patch_count: patches } of documents.iterate()) {
      const found = this.#db
        .prepare<[string], number>('SELECT count(*) FROM embeddings_places WHERE doc_id = ?')
        .pluck()
        .get(id);
      if (found !== patches) {
        throw badLayout(
          this.path,
          'COUNT_MISMATCH',
          `has ${found} embeddings of document '${id}', which has ${patches} patches`,
          'a document that was begun twice has rows of both attempts: remove it from the database',
        );
      }
      yield { ...wholeDocument(id, id, this.#table(id, patches)), byteLength };
    }
  }

  close(): void {
    this.#db.close();
  }

  #table(id: string, patches: number): CorpusTable {
    const bytes = this.#db
      .prepare<[string], PatchBytes>(
        'SELECT raw_bytes, patch_lengths FROM patch_bytes_places JOIN patch_bytes ON id = row WHERE patch_bytes_places.doc_id = ?',
      )
      .all(id);
    if (bytes.length > 1)
      throw badLayout(this.path, 'COUNT_MISMATCH', `has bytes of document '${id}' ${bytes.length} times`);
    const rows = this.#db.prepare<[string, number, number], EmbeddingRow>(
      `SELECT patch_idx, embedding, prominence, entropy FROM embeddings_places AS places JOIN embeddings ON id = row
       WHERE places.doc_id = ? AND place >= ? AND place < ? ORDER BY place`,
    );
    return new CorpusTable(this.path, id, this.dim, patches, bytes[0], (from, to) => rows.all(id, from, to));
  }
}

type ReadRows = (from: number, to: number) => readonly EmbeddingRow[];

class CorpusTable implements PatchTable {
  readonly format = 'corpus';
  readonly path: string;
  readonly patches: number;
  readonly bytes: number;
  readonly dim: number;
  readonly held: Held;
  readonly metadata = {};
  readonly quantized = notQuantized;
  readonly trailingBytes: number;
  readonly #id: string;
  readonly #bytes: Uint8Array | undefined;
  readonly #lengths: Int32Array | undefined;
  readonly #rows: ReadRows;

  constructor(path: string, id: string, dim: number, patches: number, bytes: PatchBytes | undefined, rows: ReadRows) {
    this.path = path;
    this.patches = patches;
    this.dim = dim;
    this.#id = id;
    this.#rows = rows;
    this.#bytes = bytes?.raw_bytes;
    this.#lengths = bytes && int32From(bytes.patch_lengths);
    if (this.#lengths !== undefined && this.#lengths.length !== patches)
      throw this.#bad('COUNT_MISMATCH', `${this.#lengths.length} lengths for ${patches} patches`);
    const shortest = this.#lengths?.find((length) => length < 1);
    if (shortest !== undefined) throw this.#bad('BAD_VALUE', `a patch of ${shortest} bytes`);
    this.bytes = this.#lengths?.reduce((sum, length) => sum + length, 0) ?? 0;
    const there = this.#bytes?.length ?? 0;
    if (this.bytes > there) throw this.#bad('PATCH_PAST_BYTES', `${there} bytes, and its patches need ${this.bytes}`);
    this.trailingBytes = there - this.bytes;
    const [first] = rows(0, 1);
    this.held = {
      bytes: bytes !== undefined,
      embeddings: dim > 0,
      prominence: patches === 0 || first?.prominence != null,
      entropy: patches === 0 || first?.entropy != null,
      coherence: false,
      signals: false,
    };
  }

  async check(): Promise<void> {
    for await (const { first, embeddings, prominence, entropy } of this.rows()) {
      if (embeddings !== undefined)
        requireFinite(this.path, 'embeddings', embeddings, first * this.dim, undefined, this.dim);
      if (prominence !== undefined) requireFinite(this.path, 'prominence', prominence, first, 0);
      if (entropy !== undefined) requireFinite(this.path, 'entropy', entropy, first, -1e-3);
    }
  }

  async *rows(options: RowsOptions = {}): AsyncGenerator<PatchRows, void, undefined> {
    const { from = 0, to = this.patches, rowBytes = DEFAULT_ROW_BYTES } = options;
    const most = Math.max(1, Math.floor(rowBytes / (4 * this.dim + 16)));
    let start = 0;
    for (const length of this.#lengths?.subarray(0, from) ?? []) start += length;
    for (let first = from; first < to; first += most) {
      const next = Math.min(to, first + most);
      const lengths = this.#lengths?.slice(first, next);
      const end = lengths?.reduce((sum, length) => sum + length, start) ?? 0;
      const bytes = wants(options, 'bytes') ? this.#bytes?.subarray(start, end) : undefined;
      yield {
        first,
        patches: next - first,
        start,
        ...(lengths === undefined ? {} : { lengths }),
        ...(bytes === undefined ? {} : { bytes }),
        ...this.#signals(options, first, next),
      };
      start = end;
    }
  }

  #signals(options: RowsOptions, from: number, to: number): Partial<PatchRows> {
    const { dim, held } = this;
    const isWanted = (['embeddings', 'prominence', 'entropy'] as const).filter((column) => wants(options, column));
    if (isWanted.length === 0) return {};
    const rows = this.#rows(from, to);
    const embeddings = new Float32Array(rows.length * dim);
    for (const [i, { patch_idx: index, embedding }] of rows.entries()) {
      if (index !== from + i) throw this.#bad('COUNT_MISMATCH', `patch ${index} where patch ${from + i} should be`);
      if (embedding.length !== 4 * dim)
        throw this.#bad('WRONG_TENSOR', `an embedding of ${embedding.length} bytes, and ${dim} dimensions`);
      embeddings.set(float32From(embedding), i * dim);
    }
    const column = (name: 'prominence' | 'entropy'): Float32Array =>
      Float32Array.from(rows, (row) => row[name] ?? Number.NaN);
    return {
      ...(held.embeddings && isWanted.includes('embeddings') ? { embeddings } : {}),
      ...(held.prominence && isWanted.includes('prominence') ? { prominence: column('prominence') } : {}),
      ...(held.entropy && isWanted.includes('entropy') ? { entropy: column('entropy') } : {}),
    };
  }

  #bad(code: string, what: string): SluiceError {
    return badLayout(this.path, code, `has, of document '${this.#id}', ${what}`);
  }
}
