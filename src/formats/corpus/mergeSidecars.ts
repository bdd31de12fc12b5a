import { ThinnedSample } from '../../lsh/semantic/thinnedSample.ts';
import { EdgeRows } from '../edgeRows.ts';
import { encodeNode, type HypergraphNode, nodeJson } from '../hypergraphSchema.ts';
import type { DocumentRow, SegmentRow } from '../sidecarRows.ts';
import type { CorpusTarget } from './corpusTarget.ts';
import { goesOn, identityOf } from './identity.ts';
import { type Identity, OpenDocument } from './openDocument.ts';
import { type CorpusPart, SidecarFile } from './sidecarFile.ts';

/** Embeddings of patches that are gathered from the samples of all sidecars. */
const SAMPLES = 4096;

/** What numbers of a sidecar grow by to become those of the corpus. */
export interface Shift {
  readonly node: number;
  readonly patch: number;
}

/** A sidecar in hand. */
interface InHand {
  readonly sidecar: SidecarFile;
  readonly shift: Shift & { readonly byte: number; readonly segment: number };
  /** Its last document, where that goes on in the next sidecar. */
  readonly divided: { readonly row: DocumentRow; readonly identity: Identity } | undefined;
  vectorOf(document: number): Float32Array | undefined;
}

/** The trees of all sidecars of a run, one behind the other; a document that shards divide is one tree. */
export class SidecarMerge {
  readonly edges: EdgeRows;
  readonly shifts: Shift[] = [];
  /** The first document of each split that has any. */
  readonly splitStarts: number[] = [];
  hasRecords = false;
  readonly samples = new ThinnedSample<Float32Array>(SAMPLES);
  readonly counts = { documents: 0, segments: 0, patches: 0, bytes: 0, nodes: 0 };
  readonly #target: CorpusTarget;
  readonly #withVectors: boolean;
  #split: string | undefined;
  /** The document in hand, the branch of its last segment, the leaf of its last patch. */
  #open: OpenDocument | undefined;
  #branch = 0;
  #leaf: number | undefined;

  constructor(target: CorpusTarget, withVectors: boolean) {
    this.#target = target;
    this.#withVectors = withVectors;
    this.edges = new EdgeRows(target);
  }

  /** Adds the sidecar with this number, in order. */
  async add(parts: readonly CorpusPart[], number: number): Promise<void> {
    const part = parts[number];
    if (part === undefined) return;
    const sidecar = await SidecarFile.open(part.file);
    try {
      this.#target.take(part.file);
      await this.#add(sidecar, part, () => following(parts, number));
    } finally {
      sidecar.close();
    }
  }

  /** Behind the last one. */
  finish(): void {
    this.#close();
    this.#target.flush();
  }

  #close(): void {
    this.#open?.close(this.#target);
    this.#open = undefined;
    this.#leaf = undefined;
  }

  async #add(sidecar: SidecarFile, part: CorpusPart, behind: () => Iterable<CorpusPart>): Promise<void> {
    const { counts } = this;
    const first = sidecar.firstDocument();
    const open = part.split === this.#split && this.#open && goesOn(this.#open.last, first) ? this.#open : undefined;
    if (open === undefined) {
      if (first !== undefined && first.part > 0)
        throw sidecar.bad(`goes on with document '${first.doc_id}', which the sidecar before it does not begin`);
      this.#close();
      if (part.split !== this.#split) this.splitStarts.push(counts.documents);
    }
    this.#split = part.split;
    const place = [open?.place.document ?? counts.documents, counts.patches, counts.bytes] as const;
    const known = open === undefined ? 0 : knownNodes(open, sidecar);
    const shift = {
      node: counts.nodes - known,
      patch: counts.patches,
      byte: counts.bytes,
      segment: counts.segments - (known === 2 ? 1 : 0),
    };
    this.shifts.push(shift);
    const last = sidecar.lastDocument();
    const goes = last !== undefined && last.complete === 0 && (last.document > 0 || open === undefined);
    const divided = goes ? { row: last, identity: await identityOf(last, sidecar, behind()) } : undefined;
    const inHand = { sidecar, shift, divided, vectorOf: this.#withVectors ? sidecar.vectors() : () => undefined };
    this.#copyNodes(inHand, known);
    this.#copyPatches(inHand, open);
    this.#addDocuments(inHand);
    if (this.#withVectors) for (const sample of sidecar.samples()) this.samples.add(sample);
    const [document, patch, byte] = place;
    const own = [patch, counts.patches - patch, byte, counts.bytes - byte] as const;
    this.#target.rows('shards').add(this.shifts.length - 1, part.path, part.split, part.shard, document, ...own);
  }

  /** All that no document before has already; the trunk of a divided document says what it is as a whole. */
  #copyNodes({ sidecar, shift, divided }: InHand, known: number): void {
    const end = sidecar.end('nodes');
    const copy = (from: number, to: number): void =>
      this.#target.copy({ table: 'nodes', from, end: to, key: shift.node, patch: 0 });
    if (divided === undefined) {
      copy(known, end);
    } else {
      const { row, identity } = divided;
      copy(known, row.node_id);
      const sourceHash = identity.sha256 ?? identity.contentSha256;
      const trunk: HypergraphNode = { kind: 'trunk', sourceHash, totalBytes: row.document_bytes };
      this.#target.rows('nodes').add(row.node_id + shift.node, encodeNode(trunk), nodeJson(trunk));
      this.#target.flush();
      copy(row.node_id + 1, end);
    }
    this.counts.nodes = end + shift.node;
  }

  #copyPatches({ sidecar, shift }: InHand, open: OpenDocument | undefined): void {
    const { edges } = this;
    const target = this.#target;
    const { node, patch } = shift;
    target.copy({ table: 'sphere_patches', from: 0, end: sidecar.end('nodes'), key: node, patch });
    if (open !== undefined) {
      target.rows('sphere_edges').add(edges.sphereEdges++, patch - 1, patch, 1, 'next');
      target.flush();
    }
    const end = sidecar.edges('next');
    target.copy({ table: 'sphere_edges', from: 0, end, key: edges.sphereEdges, patch });
    edges.sphereEdges += end;
  }

  #addDocuments(inHand: InHand): void {
    const segments = inHand.sidecar.segments();
    try {
      let segment = segments.next();
      for (const row of inHand.sidecar.documents()) {
        if (row.document > 0) this.#close();
        const open = this.#open ?? this.#begin(row, inHand);
        open.addPart(row, inHand.vectorOf(row.document));
        while (!segment.done && segment.value.document === row.document) {
          this.#addSegment(open, segment.value, inHand);
          segment = segments.next();
        }
        this.counts.bytes += row.bytes;
      }
    } finally {
      segments.return?.();
    }
  }

  #begin(row: DocumentRow, { shift, divided }: InHand): OpenDocument {
    const place = {
      document: this.counts.documents++,
      node: row.node_id + shift.node,
      patch: row.first_patch + shift.patch,
      byte: row.first_byte + shift.byte,
    };
    const own = { sha256: row.sha256, contentSha256: row.content_sha256 };
    this.#open = new OpenDocument(row, place, divided?.row.document === row.document ? divided.identity : own);
    this.hasRecords ||= typeof row.record === 'string';
    return this.#open;
  }

  #addSegment(open: OpenDocument, row: SegmentRow, { shift }: InHand): void {
    const { counts, edges } = this;
    const segment = row.segment + shift.segment;
    const isKnown = segment < counts.segments;
    if (!isKnown) {
      counts.segments++;
      this.#branch = row.node_id + shift.node;
      edges.between([open.place.node, this.#branch], 'contains');
    }
    open.addSegment(
      {
        ...row,
        segment,
        document: open.place.document,
        node_id: this.#branch,
        first_patch: row.first_patch + shift.patch,
        first_byte: row.first_byte + shift.byte,
      },
      this.#target,
    );
    // the leaves of a segment follow its branch, in this sidecar
    const first = row.node_id + 1 + shift.node;
    for (let leaf = first; leaf < first + row.patches; leaf++) {
      edges.between([this.#branch, leaf], 'contains');
      if (this.#leaf !== undefined) edges.between([this.#leaf, leaf], 'next');
      this.#leaf = leaf;
    }
    counts.patches += row.patches;
  }
}

/** Nodes at the beginning of a sidecar that stand for what is there already: a trunk, and a branch that goes on. */
function knownNodes(open: OpenDocument, sidecar: SidecarFile): number {
  const [segment] = sidecar.segments();
  return segment?.document === 0 && segment.segment_index === open.segment?.segment_index ? 2 : 1;
}

/** The sidecars behind one, of the same split. */
function* following(parts: readonly CorpusPart[], number: number): Generator<CorpusPart, void, undefined> {
  for (let i = number + 1; i < parts.length && parts[i]?.split === parts[number]?.split; i++) {
    const part = parts[i];
    if (part !== undefined) yield part;
  }
}
