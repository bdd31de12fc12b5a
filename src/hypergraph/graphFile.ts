import { SluiceError } from '../errors.ts';
import type { DocumentRow, SegmentRow } from '../formats/sidecarRows.ts';
import type { TableReader } from './tableReader.ts';

const needed = ['meta', 'nodes', 'hyperedges', 'sphere_patches', 'sphere_edges', 'documents', 'segments'] as const;

/** How much one database holds. */
export interface Sizes {
  readonly documents: number;
  readonly segments: number;
  readonly patches: number;
  readonly nodes: number;
  readonly edges: number;
}

/** Which sidecar holds some patches of a corpus. */
export interface ShardRow {
  readonly path: string;
  readonly split: string;
  readonly first_document: number;
  readonly first_patch: number;
  readonly first_byte: number;
}

/** One database of schema 3; numbers are its own. */
export class GraphFile {
  readonly reader: TableReader;
  readonly isCorpus: boolean;
  readonly split: string | undefined;
  readonly sizes: Sizes;

  /** Whether patches, and documents, are linked by more than trees and order. */
  readonly hasPatchLinks: boolean;
  readonly hasDocumentLinks: boolean;

  /** @throws SluiceError `BAD_SIDECAR`, or `OLD_SCHEMA` */
  constructor(reader: TableReader) {
    this.reader = reader;
    this.#requireTables();
    this.isCorpus = this.#meta('scope') === 'corpus';
    this.split = this.#meta('split');
    this.sizes = {
      documents: this.#end('documents', 'document'),
      segments: this.#end('segments', 'segment'),
      patches: this.#end('sphere_patches', 'patch_idx'),
      nodes: this.#end('nodes', 'id'),
      edges: this.#end('hyperedges', 'id'),
    };
    const besides = (comparison: string): boolean =>
      reader.get(`SELECT 1 FROM sphere_edges WHERE label ${comparison} 'next' LIMIT 1`) !== undefined;
    this.hasPatchLinks = besides('<') || besides('>');
    this.hasDocumentLinks = reader.has('table', 'document_edges');
  }

  document(number: number): DocumentRow | undefined {
    const row = this.reader.get<DocumentRow>('SELECT * FROM documents WHERE document = ?', number);
    return row && this.#whole(row);
  }

  segment(number: number): SegmentRow | undefined {
    const row = this.reader.get<SegmentRow>('SELECT * FROM segments WHERE segment = ?', number);
    return row && this.#whole(row);
  }

  /** Edges between patches of a label. */
  patchEdges(label: string): number {
    const sql = 'SELECT count(*) AS count FROM sphere_edges WHERE label = ?';
    return this.reader.get<{ count: number }>(sql, label)?.count ?? 0;
  }

  /** Edges of trees and of order, which come first. */
  get treeEdges(): number {
    return this.sizes.segments + this.sizes.patches + this.patchEdges('next');
  }

  /** The document that a patch or a node belongs to. */
  documentWith(column: 'first_patch' | 'node_id', value: number): DocumentRow {
    const found = this.document(this.#last(this.sizes.documents, (i) => (this.document(i)?.[column] ?? 0) <= value));
    if (found === undefined) throw this.reader.bad(`has no document with ${column} up to ${value}`);
    return found;
  }

  /** The segment that a patch or a node belongs to; undefined for a node before the first. */
  segmentWith(column: 'first_patch' | 'node_id', value: number): SegmentRow | undefined {
    return this.segment(this.#last(this.sizes.segments, (i) => (this.segment(i)?.[column] ?? 0) <= value));
  }

  *segmentsOf(document: number): Generator<SegmentRow, void, undefined> {
    let number = this.#last(this.sizes.segments, (i) => (this.segment(i)?.document ?? 0) < document) + 1;
    for (let row = this.segment(number); row?.document === document; row = this.segment(++number)) yield row;
  }

  /** The leaf of a patch. */
  leafOf(patch: number): number {
    const leaf = this.reader.get<{ node_id: number }>('SELECT node_id FROM sphere_patches WHERE patch_idx = ?', patch);
    if (leaf === undefined) throw this.reader.bad(`has no leaf of patch ${patch}`);
    return leaf.node_id;
  }

  patchOf(node: number): number | undefined {
    return this.reader.get<{ patch_idx: number }>('SELECT patch_idx FROM sphere_patches WHERE node_id = ?', node)
      ?.patch_idx;
  }

  /** The sidecar of a corpus that holds a patch, or the last part of a document. */
  shardWith(column: 'first_patch' | 'first_document', value: number): ShardRow | undefined {
    const shard = (i: number): ShardRow | undefined =>
      this.reader.get<ShardRow>('SELECT * FROM shards WHERE shard = ?', i);
    return shard(this.#last(this.#end('shards', 'shard'), (i) => (shard(i)?.[column] ?? 0) <= value));
  }

  /** The last of so many that satisfies what a beginning of them does; -1 where none does. */
  #last(count: number, holds: (i: number) => boolean): number {
    let [low, high] = [0, count];
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (holds(middle)) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  #requireTables(): void {
    const { reader } = this;
    const isGraph = reader.has('table', 'meta') && reader.has('table', 'nodes');
    const version = isGraph ? this.#meta('schema_version') : undefined;
    if (version === '2') {
      throw new SluiceError(`${reader.file} is a sidecar of schema 2`, {
        code: 'OLD_SCHEMA',
        path: reader.file,
        hint: 'openOldSidecar of sluice/layouts reads it',
      });
    }
    const missing = needed.filter((table) => !reader.has('table', table));
    if (missing.length > 0)
      throw reader.bad(`lacks ${missing.join(', ')}: it is no hypergraph that sluice has written`);
    if (version !== '3') throw reader.bad(`has schema version '${version ?? ''}', not 3`);
  }

  #meta(key: string): string | undefined {
    return this.reader.get<{ value: string }>('SELECT value FROM meta WHERE key = ?', key)?.value;
  }

  #end(table: string, key: string): number {
    return this.reader.get<{ end: number }>(`SELECT coalesce(max(${key}) + 1, 0) AS end FROM ${table}`)?.end ?? 0;
  }

  /** Integers beyond 2^53 are not exact any more; no file that sluice has written holds them. */
  #whole<R extends object>(row: R): R {
    for (const [name, value] of Object.entries(row)) {
      if (typeof value === 'number' && !Number.isSafeInteger(value))
        throw this.reader.bad(`has ${name} = ${value}, which is no number of anything`);
    }
    return row;
  }
}
