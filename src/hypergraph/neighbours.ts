import type { Documents } from './documents.ts';
import type { GraphFiles, Slot } from './graphFiles.ts';
import type { EdgeLabel, GraphDocument, Neighbour, NeighboursOptions } from './types.ts';

const LIMIT = 100;
const all: readonly EdgeLabel[] = ['contains', 'next', 'same_source', 'semantic'];

type Step = Omit<Neighbour, 'depth' | 'from'>;

interface LinkRow {
  readonly patch: number;
  readonly weight: number;
  readonly label: string;
}

/** Nodes that edges lead to. */
export class Neighbours {
  readonly #files: GraphFiles;
  readonly #documents: Documents;

  constructor(files: GraphFiles, documents: Documents) {
    this.#files = files;
    this.#documents = documents;
  }

  /** Breadth first, each node once, along edges in either direction. It holds what it has yielded. */
  *from(start: number, { label = all, limit = LIMIT, depth = 1 }: NeighboursOptions): Generator<Neighbour> {
    const labels = new Set(typeof label === 'string' ? [label] : label);
    const seen = new Set([start]);
    let ring = [start];
    let left = limit;
    for (let distance = 1; distance <= depth && ring.length > 0; distance++) {
      const next: number[] = [];
      for (const from of ring) {
        for (const step of this.#steps(from, labels)) {
          if (seen.has(step.node)) continue;
          if (left-- <= 0) return;
          seen.add(step.node);
          next.push(step.node);
          yield { ...step, depth: distance, from };
        }
      }
      ring = next;
    }
  }

  *#steps(node: number, labels: ReadonlySet<string>): Generator<Step> {
    const slot = this.#files.with('nodes', node);
    if (slot === undefined) return;
    const { graph } = slot;
    const own = node - slot.first.nodes;
    const patch = graph.patchOf(own);
    if (patch !== undefined) {
      yield* this.#ofPatch(patch + slot.first.patches, labels);
      return;
    }
    const segment = graph.segmentWith('node_id', own);
    if (segment?.node_id === own) {
      if (!labels.has('contains')) return;
      const trunk = graph.documentWith('node_id', own);
      yield tree(trunk.node_id + slot.first.nodes, 'document', { document: trunk.document + slot.first.documents });
      for (let i = 0; i < segment.patches; i++) {
        const leaf = segment.first_patch + i;
        yield tree(graph.leafOf(leaf) + slot.first.nodes, 'patch', { patch: leaf + slot.first.patches });
      }
      return;
    }
    yield* this.#ofTrunk(node, slot, labels);
  }

  *#ofPatch(patch: number, labels: ReadonlySet<string>): Generator<Step> {
    const slot = this.#files.with('patches', patch);
    const document = this.#documents.withPatch(patch);
    if (slot === undefined || document === undefined) return;
    const { graph, first } = slot;
    const own = patch - first.patches;
    const branch = graph.segmentWith('first_patch', own);
    if (labels.has('contains') && branch !== undefined) yield tree(branch.node_id + first.nodes, 'segment');
    if (labels.has('next')) {
      if (patch > document.firstPatch) yield this.#toPatch(patch - 1, 'next', 1);
      if (patch + 1 < document.firstPatch + document.patches) yield this.#toPatch(patch + 1, 'next', 1);
    }
    if (!graph.hasPatchLinks) return;
    for (const link of this.#links(slot, own)) {
      const label = all.find((known) => known === link.label);
      if (label !== undefined && labels.has(label)) yield this.#toPatch(link.patch + first.patches, label, link.weight);
    }
  }

  *#ofTrunk(node: number, { graph, first }: Slot, labels: ReadonlySet<string>): Generator<Step> {
    const document = this.#documents.withNode(node);
    if (document === undefined) return;
    if (labels.has('contains')) {
      const { document: own } = graph.documentWith('node_id', node - first.nodes);
      for (const segment of graph.segmentsOf(own)) yield tree(segment.node_id + first.nodes, 'segment');
    }
    if (labels.has('same_source')) {
      for (const view of this.#documents.ofRecord(document))
        if (view.document !== document.document) yield toDocument(view, 'same_source', 1);
    }
    if (!labels.has('semantic') || !graph.hasDocumentLinks) return;
    const links = graph.reader.pages<{ document: number; weight: number }>(
      `SELECT dst_document AS document, weight FROM document_edges
       WHERE src_document = ? AND label = 'semantic' AND dst_document > ? ORDER BY dst_document LIMIT ?`,
      (row) => row.document,
      -1,
      document.document - first.documents,
    );
    for (const link of [...links].sort((a, b) => b.weight - a.weight)) {
      const other = this.#documents.find(link.document + first.documents);
      if (other !== undefined) yield toDocument(other, 'semantic', link.weight);
    }
  }

  /** Those of each label by weight. */
  #links({ graph }: Slot, patch: number): LinkRow[] {
    const { reader } = graph;
    const side = (from: string, to: string): LinkRow[] => [
      ...reader.pages<LinkRow & { id: number }>(
        `SELECT id, ${to} AS patch, weight, label FROM sphere_edges
         WHERE ${from} = ? AND label <> 'next' AND id > ? ORDER BY id LIMIT ?`,
        (row) => row.id,
        -1,
        patch,
      ),
    ];
    return [...side('src_patch', 'dst_patch'), ...side('dst_patch', 'src_patch')].sort(
      (a, b) => (a.label < b.label ? -1 : a.label > b.label ? 1 : 0) || b.weight - a.weight || a.patch - b.patch,
    );
  }

  #toPatch(patch: number, label: EdgeLabel, weight: number): Step {
    const slot = this.#files.with('patches', patch);
    const node = slot === undefined ? 0 : slot.graph.leafOf(patch - slot.first.patches) + slot.first.nodes;
    return { node, kind: 'patch', patch, label, weight };
  }
}

function toDocument({ node, document }: GraphDocument, label: EdgeLabel, weight: number): Step {
  return { node, kind: 'document', document, label, weight };
}

function tree(node: number, kind: Step['kind'], number: { patch?: number; document?: number } = {}): Step {
  return { node, kind, ...number, label: 'contains', weight: 1 };
}
