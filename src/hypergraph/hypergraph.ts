import { PipelineError } from '../errors.ts';
import { decodeEdge, decodeNode, type HypergraphNode } from '../formats/hypergraphSchema.ts';
import type { EdgeRow, NodeRow } from '../formats/sidecarRows.ts';
import { sqliteOpener } from '../formats/sqlite.ts';
import { didYouMean } from '../suggest.ts';
import { databasesAt } from './databases.ts';
import { Documents } from './documents.ts';
import { GraphFiles } from './graphFiles.ts';
import { Neighbours } from './neighbours.ts';
import { PatchReader } from './patches.ts';
import type {
  DocumentsOptions,
  EdgeLabel,
  GraphCounts,
  GraphDocument,
  GraphEdge,
  GraphPatch,
  Neighbour,
  NeighboursOptions,
  PatchesOptions,
  RangeOptions,
  Start,
} from './types.ts';

/** Documents whose ids are compared with one that there is not: more would take seconds. */
const COMPARED = 4096;

/** A node, with its number; see `hypergraphSchema.ts` for what each kind has. */
export type GraphNode = HypergraphNode & { readonly node: number };

/**
 * Opens a graph to be asked: a sidecar, the database of a whole run, or an output folder (the database of the run where there is
 * one, else the sidecars of all splits, whose numbers then go on from one to the next; or any folder of sidecars).
 * Files are opened read-only, at most 16 at a time.
 *
 *     const graph = await openHypergraph('out');
 *     for (const document of graph.documents({ modality: 'code' }))
 *       for (const patch of graph.patches(document, { bytes: true })) consume(document.id, patch.bytes);
 *     for (const near of graph.neighbours({ patch: 7 }, { label: 'semantic' })) console.log(near.patch, near.weight);
 *     graph.close();
 *
 * @throws SluiceError `NOT_FOUND`, `NO_GRAPH`, `BAD_SIDECAR` for what sluice has not written or is damaged, `OLD_SCHEMA` for schema 2;
 *   OutputError `SQLITE_CANTOPEN`, `MISSING_PACKAGE`
 */
export async function openHypergraph(path: string): Promise<Hypergraph> {
  return new Hypergraph(new GraphFiles(await databasesAt(path), await sqliteOpener()));
}

/** A graph of documents and patches; whatever it yields is read as it is asked for. */
export class Hypergraph {
  readonly #files: GraphFiles;
  readonly #documents: Documents;
  readonly #patches: PatchReader;
  readonly #neighbours: Neighbours;

  constructor(files: GraphFiles) {
    this.#files = files;
    this.#documents = new Documents(files);
    this.#patches = new PatchReader(files);
    this.#neighbours = new Neighbours(files, this.#documents);
  }

  /** The databases that it is read from. */
  get files(): readonly string[] {
    return this.#files.slots.map(({ file }) => file);
  }

  /** Rows of all files; in several sidecars, each part of a divided document counts. */
  counts(): GraphCounts {
    const { sizes, slots } = this.#files;
    const edges = { next: 0, same_source: 0, semantic: 0 };
    for (const { graph } of slots) {
      for (const label of ['next', 'same_source', 'semantic'] as const) edges[label] += graph.patchEdges(label);
    }
    return { ...sizes, patchEdges: edges };
  }

  /** Documents in order. */
  documents(options: DocumentsOptions = {}): Generator<GraphDocument> {
    return this.#documents.all(options);
  }

  /** A document by its number, or the first with this id. */
  document(which: number | string): GraphDocument | undefined {
    return this.#documents.find(which);
  }

  /** What an id that no document has may have been meant for, as a sentence; the first 4,096 documents are looked at. */
  near(id: string): string {
    const ids = Array.from(this.documents({ limit: COMPARED }), (document) => document.id);
    return didYouMean(id, ids);
  }

  /** The document that a patch is part of. */
  documentOf(patch: number): GraphDocument | undefined {
    return this.#documents.withPatch(patch);
  }

  /** The document whose tree a node is part of. */
  documentOfNode(node: number): GraphDocument | undefined {
    return this.#documents.withNode(node);
  }

  /**
   * Patches of a document, in order.
   * @throws PipelineError `NO_DOCUMENT`; while they are read `SAFETENSORS_*`, `PATCH_PAST_BYTES`, `MISSING_TENSOR`
   */
  patches(document: GraphDocument | number | string, options: PatchesOptions = {}): Generator<GraphPatch> {
    return this.#patches.of(typeof document === 'object' ? document : this.#require(document), options);
  }

  /** A patch by its number. */
  patch(patch: number, options: Pick<PatchesOptions, 'bytes' | 'embeddings'> = {}): GraphPatch | undefined {
    const document = this.#documents.withPatch(patch);
    if (document === undefined) return undefined;
    const [found] = this.#patches.of(document, { ...options, from: patch - document.firstPatch, limit: 1 });
    return found;
  }

  /** A node by its number. */
  node(node: number): GraphNode | undefined {
    const [found] = this.nodes({ from: node, limit: 1 });
    return found?.node === node ? found : undefined;
  }

  *nodes({ from = 0, limit = Number.POSITIVE_INFINITY }: RangeOptions = {}): Generator<GraphNode> {
    let left = limit;
    for (const { graph, first } of this.#files.slots) {
      if (from >= first.nodes + graph.sizes.nodes) continue;
      const rows = graph.reader.pages<NodeRow>(
        'SELECT id, data FROM nodes WHERE id > ? ORDER BY id LIMIT ?',
        (row) => row.id,
        Math.max(-1, from - first.nodes - 1),
      );
      for (const { id, data } of rows) {
        if (left-- <= 0) return;
        yield { ...decodeNode(data), node: id + first.nodes };
      }
    }
  }

  /** Edges in order, between any nodes, of this label or all. */
  *edges({
    label,
    from = 0,
    limit = Number.POSITIVE_INFINITY,
  }: RangeOptions & { readonly label?: EdgeLabel | undefined } = {}): Generator<GraphEdge> {
    let left = limit;
    for (const { graph, first } of this.#files.slots) {
      // those of trees come first
      const begin = label === 'same_source' || label === 'semantic' ? graph.treeEdges : 0;
      const rows = graph.reader.pages<EdgeRow>(
        'SELECT id, data FROM hyperedges WHERE id > ? ORDER BY id LIMIT ?',
        (row) => row.id,
        Math.max(begin, from - first.edges) - 1,
      );
      for (const { id, data } of rows) {
        const edge = decodeEdge(data);
        if (label !== undefined && edge.label !== label) continue;
        if (left-- <= 0) return;
        const nodes = edge.vertices.map((vertex) => vertex + first.nodes);
        yield { edge: id + first.edges, label: edge.label, weight: edge.weight, nodes };
      }
    }
  }

  /**
   * What edges lead to, in either direction, breadth first: of each node those it is part of, the patches before and behind it,
   * other views of its record, then what is alike, the most alike first. `semantic` and `same_source` edges between patches of
   * different sidecars are in the database of a whole run alone.
   *
   * @throws PipelineError `NO_DOCUMENT`, `NO_PATCH` or `NO_NODE`
   */
  neighbours(of: Start, options: NeighboursOptions = {}): Generator<Neighbour> {
    return this.#neighbours.from(this.#start(of), options);
  }

  /** Closes all files; they are opened again when something is asked for. */
  close(): void {
    this.#patches.close();
    this.#files.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #start(of: Start): number {
    if ('document' in of) return this.#require(of.document).node;
    if ('node' in of) {
      if (this.#files.with('nodes', of.node) === undefined) throw missing('NODE', `node ${of.node}`);
      return of.node;
    }
    const slot = this.#files.with('patches', of.patch);
    if (slot === undefined) throw missing('PATCH', `patch ${of.patch}`);
    return slot.graph.leafOf(of.patch - slot.first.patches) + slot.first.nodes;
  }

  #require(which: number | string): GraphDocument {
    const document = this.#documents.find(which);
    if (document !== undefined) return document;
    if (typeof which === 'number') throw missing('DOCUMENT', `document ${which}`);
    throw missing('DOCUMENT', `document '${which}'`, this.near(which));
  }
}

function missing(
  kind: string,
  what: string,
  hint = 'numbers count from 0; documents() lists what there is',
): PipelineError {
  return new PipelineError(`there is no ${what} in this graph`, {
    code: `NO_${kind}`,
    hint,
  });
}
