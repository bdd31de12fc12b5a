import type Sqlite from 'better-sqlite3';
import type { Position } from '../errors.ts';
import { BincodeWriter } from './bincode.ts';
import { encodeEdge, encodeNode, encodeVertices, type HypergraphNode, nodeJson } from './hypergraphSchema.ts';
import { RowInserter } from './sqlite.ts';

export interface SidecarSegment {
  readonly index: number;
  readonly label: string;
  readonly modality: string;
  readonly mediaType: string;
  /** What of the segment lies in this shard: whole patches, from byte `start` of the segment on. */
  patches: number;
  bytes: number;
  readonly start: number;
  readonly segmentBytes: number;
  readonly originStart: number;
  readonly originEnd: number;
  readonly derived: string | null;
  /** JSON. */
  readonly meta: string;
}

export interface SidecarDocument {
  readonly id: string;
  readonly uri: string;
  readonly position: Position;
  readonly part: number;
  readonly complete: boolean;
  readonly patchesBefore: number;
  readonly bytesBefore: number;
  readonly documentBytes: number;
  readonly modality: string;
  /** Of the source bytes, where it is known. */
  readonly sha256: string | null;
  /** Of the document's bytes in this shard. */
  readonly contentSha256: string;
  /** JSON. */
  readonly meta: string;
  readonly segments: readonly SidecarSegment[];
}

/** Everything one sidecar is made of; the arrays run over all patches of the shard. */
export interface SidecarContent {
  readonly split: string;
  readonly shard: number;
  readonly documents: readonly SidecarDocument[];
  readonly lengths: Int32Array;
  readonly prominence: Float32Array;
  readonly entropy: Float32Array;
  readonly coherence: Float32Array;
}

/** Tables in the order of the file. Readers of schema 3 ask for columns by name, so further columns do not disturb them. */
const tables = `
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE nodes(id INTEGER PRIMARY KEY, data BLOB NOT NULL, metadata TEXT NOT NULL);
CREATE TABLE hyperedges(id INTEGER PRIMARY KEY, vertices BLOB NOT NULL, data BLOB NOT NULL);
CREATE TABLE sphere_patches(node_id INTEGER PRIMARY KEY, patch_idx INTEGER NOT NULL, prominence REAL NOT NULL);
CREATE TABLE sphere_edges(id INTEGER PRIMARY KEY, src_patch INTEGER NOT NULL, dst_patch INTEGER NOT NULL, weight REAL NOT NULL, label TEXT NOT NULL);
CREATE TABLE documents(document INTEGER PRIMARY KEY, doc_id TEXT NOT NULL, uri TEXT NOT NULL, node_id INTEGER NOT NULL,
  first_patch INTEGER NOT NULL, patches INTEGER NOT NULL, first_byte INTEGER NOT NULL, bytes INTEGER NOT NULL,
  modality TEXT NOT NULL, part INTEGER NOT NULL, complete INTEGER NOT NULL, patches_before INTEGER NOT NULL,
  bytes_before INTEGER NOT NULL, document_bytes INTEGER NOT NULL, sha256 TEXT, content_sha256 TEXT NOT NULL,
  ordinal INTEGER NOT NULL, byte INTEGER, line INTEGER, row INTEGER, member TEXT, record_part INTEGER, meta TEXT NOT NULL);
CREATE TABLE segments(segment INTEGER PRIMARY KEY, document INTEGER NOT NULL, segment_index INTEGER NOT NULL,
  node_id INTEGER NOT NULL, label TEXT NOT NULL, modality TEXT NOT NULL, media_type TEXT NOT NULL,
  first_patch INTEGER NOT NULL, patches INTEGER NOT NULL, first_byte INTEGER NOT NULL, bytes INTEGER NOT NULL,
  start INTEGER NOT NULL, segment_bytes INTEGER NOT NULL, origin_start INTEGER NOT NULL, origin_end INTEGER NOT NULL,
  derived TEXT, meta TEXT NOT NULL);
`;

/** Made after the rows: one sorted pass each, and the same file every time. */
const indexes = `
CREATE INDEX idx_sphere_patches_patch ON sphere_patches(patch_idx);
CREATE INDEX idx_sphere_edges_label ON sphere_edges(label);
CREATE INDEX idx_documents_id ON documents(doc_id);
`;

/**
 * Fills an empty database with a hypergraph sidecar of schema version 3: a tree of trunk (document), branches (segments)
 * and leaves (patches) as bincode blobs, the same patches and their order as plain tables, and the documents and segments
 * that the patches came from. All numbers count from 0 within the file. Equal content gives an equal file.
 */
export function buildSidecar(db: Sqlite.Database, content: SidecarContent): void {
  // The file is published by rename, so it needs neither a journal nor a sync of its own; zeroed free space keeps it reproducible.
  db.pragma('page_size = 4096');
  db.pragma('encoding = "UTF-8"');
  db.pragma('journal_mode = OFF');
  db.pragma('synchronous = OFF');
  db.pragma('locking_mode = EXCLUSIVE');
  db.pragma('secure_delete = ON');
  db.exec('BEGIN');
  db.exec(tables);
  const meta = db.prepare<[string, string]>('INSERT INTO meta VALUES (?, ?)');
  meta.run('schema_version', '3');
  meta.run('shard', String(content.shard));
  meta.run('split', content.split);
  new Rows(db, content).insert();
  db.exec(indexes);
  db.exec('COMMIT');
}

class Rows {
  readonly #content: SidecarContent;
  readonly #blob = new BincodeWriter(64 << 10);
  readonly #node;
  readonly #edge;
  readonly #spherePatch;
  readonly #sphereEdge;
  readonly #document;
  readonly #segment;
  #nodes = 0;
  #edges = 0;
  #sphereEdges = 0;
  #segments = 0;
  #patch = 0;
  #byte = 0;

  constructor(db: Sqlite.Database, content: SidecarContent) {
    this.#content = content;
    this.#node = new RowInserter(db, 'nodes', 3);
    this.#edge = new RowInserter(db, 'hyperedges', 3);
    this.#spherePatch = new RowInserter(db, 'sphere_patches', 3);
    this.#sphereEdge = new RowInserter(db, 'sphere_edges', 5);
    this.#document = new RowInserter(db, 'documents', 23);
    this.#segment = new RowInserter(db, 'segments', 17);
  }

  insert(): void {
    this.#content.documents.forEach((document, index) => {
      this.#insertDocument(document, index);
    });
    for (const rows of [this.#node, this.#edge, this.#spherePatch, this.#sphereEdge, this.#document, this.#segment])
      rows.flush();
  }

  #insertDocument(document: SidecarDocument, index: number): void {
    const { position } = document;
    const firstPatch = this.#patch;
    const firstByte = this.#byte;
    const trunk: HypergraphNode = {
      kind: 'trunk',
      sourceHash: document.sha256 ?? document.contentSha256,
      totalBytes: document.documentBytes,
    };
    const node = this.#addNode(trunk);
    const tree: Tree = { document: index, trunk: node, shift: document.patchesBefore - firstPatch, leaf: undefined };
    for (const segment of document.segments) this.#insertSegment(segment, tree);
    this.#document.add(
      index,
      document.id,
      document.uri,
      node,
      firstPatch,
      this.#patch - firstPatch,
      firstByte,
      this.#byte - firstByte,
      document.modality,
      document.part,
      document.complete ? 1 : 0,
      document.patchesBefore,
      document.bytesBefore,
      document.documentBytes,
      document.sha256,
      document.contentSha256,
      position.ordinal,
      position.byte ?? null,
      position.line ?? null,
      position.row ?? null,
      position.member ?? null,
      position.part ?? null,
      document.meta,
    );
  }

  #insertSegment(segment: SidecarSegment, tree: Tree): void {
    const { label, modality } = segment;
    const branch = this.#addNode({ kind: 'branch', label, modality });
    this.#addEdge(tree.trunk, branch, 'contains');
    this.#segment.add(
      this.#segments++,
      tree.document,
      segment.index,
      branch,
      label,
      modality,
      segment.mediaType,
      this.#patch,
      segment.patches,
      this.#byte,
      segment.bytes,
      segment.start,
      segment.segmentBytes,
      segment.originStart,
      segment.originEnd,
      segment.derived,
      segment.meta,
    );
    let offset = (segment.derived === null ? segment.originStart : 0) + segment.start;
    for (let i = 0; i < segment.patches; i++) {
      const leaf = this.#insertLeaf(this.#patch + tree.shift, offset);
      this.#addEdge(branch, leaf, 'contains');
      if (tree.leaf !== undefined) {
        this.#addEdge(tree.leaf, leaf, 'next');
        this.#sphereEdge.add(this.#sphereEdges++, this.#patch - 1, this.#patch, 1, 'next');
      }
      tree.leaf = leaf;
      offset += this.#content.lengths[this.#patch] ?? 0;
      this.#patch++;
    }
    this.#byte += segment.bytes;
  }

  /** The patch in hand as a node; `index` is its number within the document. */
  #insertLeaf(index: number, startOffset: number): number {
    const { lengths, entropy, coherence, prominence } = this.#content;
    const length = lengths[this.#patch] ?? 0;
    const extra = {
      coherence_score: coherence[this.#patch] ?? 0,
      mean_entropy: entropy[this.#patch] ?? 0,
      patch_index: index,
      patch_length: length,
    };
    const label = `patch_${index}`;
    const endOffset = startOffset + length;
    const node: HypergraphNode = { kind: 'leaf', label, metadata: { startOffset, endOffset, confidence: 1, extra } };
    const id = this.#addNode(node);
    this.#spherePatch.add(id, this.#patch, prominence[this.#patch] ?? 0);
    return id;
  }

  #addNode(node: HypergraphNode): number {
    this.#node.add(this.#nodes, encodeNode(node, this.#blob), nodeJson(node));
    return this.#nodes++;
  }

  #addEdge(from: number, to: number, label: string): void {
    const vertices = [from, to];
    this.#edge.add(
      this.#edges++,
      encodeVertices(vertices, this.#blob),
      encodeEdge({ vertices, label, weight: 1 }, this.#blob),
    );
  }
}

/** Where a document's tree has got to. */
interface Tree {
  readonly document: number;
  readonly trunk: number;
  /** Number of a patch within the document, less its number within the shard. */
  readonly shift: number;
  /** The last leaf so far. */
  leaf: number | undefined;
}
