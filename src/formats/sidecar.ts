import type Sqlite from 'better-sqlite3';
import type { Position } from '../errors.ts';
import { canonicalJson } from '../json.ts';
import { patchSemantics } from '../lsh/semantic/patches.ts';
import type { SemanticSettings } from '../lsh/semantic/settings.ts';
import { BincodeWriter } from './bincode.ts';
import { EdgeRows, type PatchEnd } from './edgeRows.ts';
import { encodeNode, type HypergraphNode, nodeJson } from './hypergraphSchema.ts';
import { littleEndianBytes } from './littleEndian.ts';
import { addSameSource } from './sameSource.ts';
import {
  createTables,
  documentIndex,
  linkIndexes,
  patchIndexes,
  RowWriter,
  recordIndex,
  setMeta,
} from './sidecarTables.ts';

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
  /** Name of the record that it is a view of. */
  readonly record: string | null;
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
  /** Of its bytes up to the end of this shard, those of earlier shards included; null where there are none of these. */
  readonly wholeSha256: string | null;
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
  readonly semantic?: SidecarSemantic | undefined;
}

/** What `semantic` edges are made of. */
export interface SidecarSemantic {
  readonly settings: SemanticSettings;
  readonly dim: number;
  /** f32[patches, dim]; written to. */
  readonly embeddings: Float32Array;
}

/**
 * Fills an empty database with a hypergraph sidecar of schema version 3: a tree of trunk (document), branches (segments)
 * and leaves (patches) as bincode blobs, the same patches and their order as plain tables, and the documents and segments
 * that the patches came from. All numbers count from 0 within the file. Equal content gives an equal file.
 */
export function buildSidecar(db: Sqlite.Database, content: SidecarContent): void {
  const { split, shard, semantic } = content;
  createTables(db);
  setMeta(db, {
    schema_version: '3',
    shard: String(shard),
    split,
    ...(semantic && { semantic: canonicalJson({ ...semantic.settings }) }),
  });
  const writer = new RowWriter(db);
  const rows = new Rows(writer, content);
  rows.insert();
  writer.flush();
  const nextEdges = rows.edges.sphereEdges;
  const hasViews = content.documents.some(({ record }) => record !== null);
  if (hasViews) {
    db.exec(recordIndex);
    // reads documents while it inserts edges
    db.unsafeMode(true);
    addSameSource(db, rows.nodes, rows.edges);
    db.unsafeMode(false);
  }
  if (semantic !== undefined) addSemantic(writer, content, semantic, rows);
  writer.flush();
  db.exec(patchIndexes);
  db.exec(documentIndex);
  if (rows.edges.sphereEdges > nextEdges) db.exec(linkIndexes);
  db.exec('COMMIT');
}

function addSemantic(writer: RowWriter, content: SidecarContent, semantic: SidecarSemantic, rows: Rows): void {
  const { documents, lengths } = content;
  const { edges, vectors, samples } = patchSemantics({
    ...semantic,
    lengths,
    documents: documents.map(({ segments }) => segments.reduce((sum, { patches }) => sum + patches, 0)),
  });
  if (vectors !== undefined) {
    writer.create('document_vectors');
    for (const { document, vector } of vectors)
      writer.rows('document_vectors').add(document, littleEndianBytes(vector));
  }
  if (samples !== undefined) {
    writer.create('patch_samples');
    for (const { patch, vector } of samples) writer.rows('patch_samples').add(patch, littleEndianBytes(vector));
  }
  for (let i = 0; i < edges.later.length; i++) {
    const [from = 0, to = 0] = [edges.earlier[i], edges.later[i]];
    rows.edges.betweenPatches(rows.endOf(from), rows.endOf(to), 'semantic', edges.cosines[i]);
  }
}

class Rows {
  readonly edges: EdgeRows;
  nodes = 0;
  readonly #content: SidecarContent;
  readonly #blob = new BincodeWriter(64 << 10);
  readonly #node;
  readonly #spherePatch;
  readonly #document;
  readonly #segment;
  /** The leaf of each patch. */
  readonly #leaves: Float64Array;
  #segments = 0;
  #patch = 0;
  #byte = 0;

  constructor(target: RowWriter, content: SidecarContent) {
    this.#content = content;
    this.edges = new EdgeRows(target);
    this.#node = target.rows('nodes');
    this.#spherePatch = target.rows('sphere_patches');
    this.#document = target.rows('documents');
    this.#segment = target.rows('segments');
    this.#leaves = new Float64Array(content.lengths.length);
  }

  insert(): void {
    this.#content.documents.forEach((document, index) => {
      this.#insertDocument(document, index);
    });
  }

  /** Of a patch that was inserted. */
  endOf(patch: number): PatchEnd {
    return { patch, node: this.#leaves[patch] ?? 0 };
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
    const tree: Tree = { document: index, trunk: node, shift: document.patchesBefore - firstPatch, last: undefined };
    for (const segment of document.segments) this.#insertSegment(segment, tree);
    this.#document.add(
      index,
      document.id,
      document.uri,
      document.record,
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
      document.wholeSha256,
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
    this.edges.between([tree.trunk, branch], 'contains');
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
      this.edges.between([branch, leaf], 'contains');
      const end = { patch: this.#patch, node: leaf };
      if (tree.last !== undefined) this.edges.betweenPatches(tree.last, end, 'next');
      tree.last = end;
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
    this.#leaves[this.#patch] = id;
    this.#spherePatch.add(id, this.#patch, prominence[this.#patch] ?? 0);
    return id;
  }

  #addNode(node: HypergraphNode): number {
    this.#node.add(this.nodes, encodeNode(node, this.#blob), nodeJson(node));
    return this.nodes++;
  }
}

/** Where a document's tree has got to. */
interface Tree {
  readonly document: number;
  readonly trunk: number;
  /** Number of a patch within the document, less its number within the shard. */
  readonly shift: number;
  /** The last patch so far. */
  last: PatchEnd | undefined;
}
