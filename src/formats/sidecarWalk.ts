import type { Hash } from 'node:crypto';
import type Sqlite from 'better-sqlite3';
import type { Complain } from './checkNumbers.ts';
import type { ExpectedShard } from './checkPatches.ts';
import { decodeEdge, decodeNode, decodeVertices, type HypergraphNode, nodeJson } from './hypergraphSchema.ts';
import type { DocumentRow, EdgeRow, NodeRow, SegmentRow, SphereEdgeRow, SpherePatchRow } from './sidecarRows.ts';

/** Where the documents of one sidecar begin and end, so that the next one can be compared. */
export interface SidecarEnds {
  readonly first: PartPlace | undefined;
  readonly last: PartPlace | undefined;
  /** Of the bytes so far of a document that does not end here; known where the files of patches are there. */
  readonly whole?: Hash | undefined;
}

interface PartPlace {
  readonly id: string;
  readonly part: number;
  readonly complete: boolean;
  readonly patchesBefore: number;
  readonly patches: number;
  readonly bytesBefore: number;
  readonly bytes: number;
}

/** The arrays of the safetensors file beside a sidecar: 12 bytes a patch. */
export interface Beside {
  readonly file: string;
  readonly lengths: Int32Array;
  readonly prominence: Float32Array;
  readonly entropy: Float32Array;
}

/** Where trees end, and what they have. */
export interface Walked {
  readonly places: SidecarEnds;
  readonly nodes: number;
  readonly hyperedges: number;
  readonly sphereEdges: number;
}

/** Walks all tables side by side in the order of their rows, deriving each row from what stands beside it. */
export class SidecarWalk {
  readonly #complain: Complain;
  readonly #beside: Beside | undefined;
  readonly #documents: IterableIterator<DocumentRow>;
  readonly #segments: Iterator<SegmentRow>;
  readonly #nodes: Iterator<NodeRow>;
  readonly #edges: Iterator<EdgeRow>;
  readonly #spherePatches: Iterator<SpherePatchRow>;
  readonly #sphereEdges: Iterator<SphereEdgeRow>;
  #node = 0;
  #edge = 0;
  #sphereEdge = 0;
  #patch = 0;
  #byte = 0;
  #complaints = 0;

  constructor(db: Sqlite.Database, beside: Beside | undefined, complain: Complain) {
    const rows = <R>(table: string, key: string) => db.prepare<[], R>(`SELECT * FROM ${table} ORDER BY ${key}`);
    // All are prepared before the first begins: one that fails would leave the others open.
    const documents = rows<DocumentRow>('documents', 'document');
    const segments = rows<SegmentRow>('segments', 'segment');
    const nodes = rows<NodeRow>('nodes', 'id');
    const edges = rows<EdgeRow>('hyperedges', 'id');
    const spherePatches = rows<SpherePatchRow>('sphere_patches', 'node_id');
    const sphereEdges = rows<SphereEdgeRow>('sphere_edges', 'id');
    this.#complain = complain;
    this.#beside = beside;
    this.#documents = documents.iterate();
    this.#segments = segments.iterate();
    this.#nodes = nodes.iterate();
    this.#edges = edges.iterate();
    this.#spherePatches = spherePatches.iterate();
    this.#sphereEdges = sphereEdges.iterate();
  }

  get isSound(): boolean {
    return this.#complaints === 0;
  }

  walk(expected: Omit<ExpectedShard, 'dim'>): Walked {
    let first: PartPlace | undefined;
    let last: PartPlace | undefined;
    let count = 0;
    let segment = this.#next(this.#segments);
    for (const document of this.#documents) {
      this.#same(`document ${count}`, document.document, count);
      segment = this.#walkDocument(document, segment);
      if (count > 0 && document.part > 0) this.#bad(`goes on with document '${document.doc_id}' in row ${count}`);
      last = placeOf(document);
      first ??= last;
      count++;
    }
    if (segment !== undefined) this.#bad('has segments of no document');
    this.#same('the number of patches', this.#patch, expected.patches);
    this.#same('the number of bytes', this.#byte, expected.bytes);
    const tables = { nodes: this.#nodes, sphere_patches: this.#spherePatches };
    for (const [name, rows] of Object.entries(tables)) {
      if (this.#next(rows as Iterator<unknown>) !== undefined) this.#bad(`has more ${name} than its documents need`);
    }
    return { places: { first, last }, nodes: this.#node, hyperedges: this.#edge, sphereEdges: this.#sphereEdge };
  }

  /** Ends all queries, which would keep the database open. */
  close(): void {
    for (const rows of [
      this.#documents,
      this.#segments,
      this.#nodes,
      this.#edges,
      this.#spherePatches,
      this.#sphereEdges,
    ])
      rows.return?.();
  }

  /** Returns the first segment behind this document. */
  #walkDocument(document: DocumentRow, next: SegmentRow | undefined): SegmentRow | undefined {
    const what = `document '${document.doc_id}'`;
    const first = this.#patch;
    const firstByte = this.#byte;
    this.#same(`first_patch of ${what}`, document.first_patch, first);
    this.#same(`first_byte of ${what}`, document.first_byte, firstByte);
    const sourceHash = document.sha256 ?? document.content_sha256;
    const trunk = this.#takeNode({ kind: 'trunk', sourceHash, totalBytes: document.document_bytes });
    this.#same(`node_id of ${what}`, document.node_id, trunk);
    let segment = next;
    let leaf: number | undefined;
    while (segment?.document === document.document) {
      leaf = this.#walkSegment(segment, trunk, leaf, document.patches_before - first);
      segment = this.#next(this.#segments);
    }
    this.#same(`patches of ${what}`, document.patches, this.#patch - first);
    this.#same(`bytes of ${what}`, document.bytes, this.#byte - firstByte);
    return segment;
  }

  /** Returns the last leaf so far. */
  #walkSegment(segment: SegmentRow, trunk: number, before: number | undefined, shift: number): number | undefined {
    const { label, modality } = segment;
    const firstByte = this.#byte;
    this.#same(`first_patch of a segment`, segment.first_patch, this.#patch);
    this.#same(`first_byte of a segment`, segment.first_byte, firstByte);
    if (segment.start + segment.bytes > segment.segment_bytes)
      this.#bad(`has a segment '${label}' that is longer than it says`);
    const branch = this.#takeNode({ kind: 'branch', label, modality });
    this.#same('node_id of a segment', segment.node_id, branch);
    this.#takeEdge(trunk, branch, 'contains');
    let offset = (segment.derived === null ? segment.origin_start : 0) + segment.start;
    let leaf = before;
    for (let i = 0; i < segment.patches && this.#complaints < 20; i++) {
      const length = this.#takeLeaf(this.#patch + shift, offset);
      const id = this.#node - 1;
      this.#takeEdge(branch, id, 'contains');
      if (leaf !== undefined) {
        this.#takeEdge(leaf, id, 'next');
        const edge = this.#next(this.#sphereEdges);
        this.#sphereEdge++;
        this.#same(
          'a row of sphere_edges',
          edge && `${edge.src_patch} ${edge.dst_patch} ${edge.weight} ${edge.label}`,
          `${this.#patch - 1} ${this.#patch} 1 next`,
        );
      }
      const sphere = this.#next(this.#spherePatches);
      const prominence = this.#beside?.prominence[this.#patch] ?? sphere?.prominence;
      this.#same(
        'a row of sphere_patches',
        sphere && `${sphere.node_id} ${sphere.patch_idx} ${sphere.prominence}`,
        `${id} ${this.#patch} ${prominence}`,
      );
      leaf = id;
      offset += length;
      this.#byte += length;
      this.#patch++;
    }
    this.#same(`bytes of a segment`, segment.bytes, this.#byte - firstByte);
    return leaf;
  }

  /** Returns the patch's length. */
  #takeLeaf(index: number, startOffset: number): number {
    const row = this.#next(this.#nodes);
    const found = row === undefined ? undefined : decodeNode(row.data);
    const said = found?.kind === 'leaf' ? found.metadata?.extra : undefined;
    const length = this.#beside?.lengths[this.#patch] ?? Number(said?.patch_length ?? 0);
    const extra = {
      coherence_score: Number(said?.coherence_score),
      mean_entropy: this.#beside?.entropy[this.#patch] ?? Number(said?.mean_entropy),
      patch_index: index,
      patch_length: length,
    };
    const metadata = { startOffset, endOffset: startOffset + length, confidence: 1, extra };
    this.#sameNode(row, found, { kind: 'leaf', label: `patch_${index}`, metadata });
    return length;
  }

  #takeNode(expected: HypergraphNode): number {
    const row = this.#next(this.#nodes);
    this.#sameNode(row, row === undefined ? undefined : decodeNode(row.data), expected);
    return this.#node - 1;
  }

  #sameNode(row: NodeRow | undefined, found: HypergraphNode | undefined, expected: HypergraphNode): void {
    const id = this.#node++;
    if (row === undefined) {
      this.#bad(`lacks node ${id}`);
      return;
    }
    this.#same('a node number', row.id, id);
    this.#same(`node ${id}`, found === undefined ? undefined : nodeJson(found), nodeJson(expected));
    this.#same(`metadata of node ${id}`, row.metadata, nodeJson(expected));
  }

  #takeEdge(from: number, to: number, label: string): void {
    const row = this.#next(this.#edges);
    const id = this.#edge++;
    if (row === undefined) {
      this.#bad(`lacks hyperedge ${id}`);
      return;
    }
    const edge = decodeEdge(row.data);
    this.#same('a hyperedge number', row.id, id);
    this.#same(`hyperedge ${id}`, `${edge.label} ${edge.vertices} ${edge.weight}`, `${label} ${from},${to} 1`);
    this.#same(`vertices of hyperedge ${id}`, decodeVertices(row.vertices).join(), `${from},${to}`);
  }

  #next<R>(rows: Iterator<R>): R | undefined {
    const { done, value } = rows.next();
    return done ? undefined : value;
  }

  #same(what: string, found: string | number | undefined, expected: string | number): void {
    if (found !== expected) this.#bad(`has ${what} as ${found ?? 'nothing'}, and it should be ${expected}`);
  }

  #bad(what: string): void {
    this.#complaints++;
    this.#complain(what);
  }
}

function placeOf(row: DocumentRow): PartPlace {
  return {
    id: row.doc_id,
    part: row.part,
    complete: row.complete === 1,
    patchesBefore: row.patches_before,
    patches: row.patches,
    bytesBefore: row.bytes_before,
    bytes: row.bytes,
  };
}
