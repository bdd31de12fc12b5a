import type Sqlite from 'better-sqlite3';
import { SluiceError } from '../../errors.ts';
import { float32From } from '../littleEndian.ts';
import type { DocumentRow, SegmentRow } from '../sidecarRows.ts';
import { openSqlite } from '../sqlite.ts';

/** One sidecar of a run, in the order of the splits and their shards. */
export interface CorpusPart {
  /** Absolute. */
  readonly file: string;
  /** Relative to the output folder, with `/`. */
  readonly path: string;
  readonly split: string;
  /** Number within the split. */
  readonly shard: number;
}

/** A sidecar that is read to be made part of a larger graph. */
export class SidecarFile {
  readonly db: Sqlite.Database;
  readonly #file: string;

  private constructor(db: Sqlite.Database, file: string) {
    this.db = db;
    this.#file = file;
  }

  /** @throws OutputError `SQLITE_...`, SluiceError `BAD_SIDECAR` where it is no sidecar of schema 3 */
  static async open(file: string): Promise<SidecarFile> {
    const sidecar = new SidecarFile(await openSqlite(file, { readonly: true, fileMustExist: true }), file);
    try {
      const version = sidecar.meta('schema_version');
      if (version !== '3') throw sidecar.bad(`has schema version '${version ?? ''}', not 3`);
      return sidecar;
    } catch (error) {
      sidecar.close();
      throw error;
    }
  }

  close(): void {
    this.db.close();
  }

  meta(key: string): string | undefined {
    return this.db.prepare<[string], string>('SELECT value FROM meta WHERE key = ?').pluck().get(key);
  }

  documents(): IterableIterator<DocumentRow> {
    return this.db.prepare<[], DocumentRow>('SELECT * FROM documents ORDER BY document').iterate();
  }

  segments(): IterableIterator<SegmentRow> {
    return this.db.prepare<[], SegmentRow>('SELECT * FROM segments ORDER BY segment').iterate();
  }

  segmentsOf(document: number): IterableIterator<SegmentRow> {
    return this.db
      .prepare<[number], SegmentRow>('SELECT * FROM segments WHERE document = ? ORDER BY segment')
      .iterate(document);
  }

  firstDocument(): DocumentRow | undefined {
    return this.db.prepare<[], DocumentRow>('SELECT * FROM documents ORDER BY document LIMIT 1').get();
  }

  lastDocument(): DocumentRow | undefined {
    return this.db.prepare<[], DocumentRow>('SELECT * FROM documents ORDER BY document DESC LIMIT 1').get();
  }

  /** One more than the greatest key of a table; 0 where it is empty. */
  end(table: 'nodes' | 'hyperedges' | 'sphere_edges', key = 'id'): number {
    return this.db.prepare<[], number>(`SELECT coalesce(max(${key}) + 1, 0) FROM ${table}`).pluck().get() ?? 0;
  }

  /** How many rows of `sphere_edges` have this label; they stand together. */
  edges(label: string): number {
    const edges = this.db.prepare<[string], number>('SELECT count(*) FROM sphere_edges WHERE label = ?').pluck();
    return edges.get(label) ?? 0;
  }

  /** Gives the mean state of a document's bytes in this shard, undefined where there are none. */
  vectors(): (document: number) => Float32Array | undefined {
    if (!this.#has('document_vectors')) return () => undefined;
    const vector = this.db.prepare<[number], Buffer>('SELECT vector FROM document_vectors WHERE document = ?').pluck();
    return (document) => {
      const bytes = vector.get(document);
      return bytes && float32From(bytes);
    };
  }

  /** Embeddings of some patches. */
  *samples(): Generator<Float32Array, void, undefined> {
    if (!this.#has('patch_samples')) return;
    const samples = this.db.prepare<[], Buffer>('SELECT vector FROM patch_samples ORDER BY patch_idx').pluck();
    for (const bytes of samples.iterate()) yield float32From(bytes);
  }

  #has(table: string): boolean {
    return this.db.prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?").get(table) !== undefined;
  }

  bad(what: string): SluiceError {
    return new SluiceError(`${this.#file} ${what}`, {
      code: 'BAD_SIDECAR',
      path: this.#file,
      hint: "'sluice verify' tells what is wrong with an output",
    });
  }
}
