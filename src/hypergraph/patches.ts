import path from 'node:path';
import { LRUCache } from 'lru-cache';
import type { SegmentRow } from '../formats/sidecarRows.ts';
import type { GraphFile } from './graphFile.ts';
import type { GraphFiles, Slot } from './graphFiles.ts';
import { PatchFile } from './patchFile.ts';
import type { GraphDocument, GraphPatch, PatchesOptions } from './types.ts';

/** Files of patches that are open at once. */
const OPEN = 8;

interface PatchRow {
  readonly patch_idx: number;
  readonly node_id: number;
  readonly prominence: number;
  readonly metadata: string;
}

/** Where the bytes and the embedding of a patch lie. */
interface Place {
  readonly file: PatchFile | undefined;
  /** Numbers of the graph file at which that file begins. */
  readonly firstPatch: number;
  readonly firstByte: number;
}

/** Patches of a graph, with what the files of patches beside its sidecars hold of them. */
export class PatchReader {
  readonly #files: GraphFiles;
  readonly #beside = new LRUCache<string, { readonly file: PatchFile | undefined }>({
    max: OPEN,
    dispose: ({ file }) => file?.close(),
  });

  constructor(files: GraphFiles) {
    this.#files = files;
  }

  *of(document: GraphDocument, options: PatchesOptions): Generator<GraphPatch> {
    const { from = 0, limit = Number.POSITIVE_INFINITY } = options;
    const first = document.firstPatch + Math.max(0, from);
    const end = Math.min(document.firstPatch + document.patches, first + Math.max(0, limit));
    for (let patch = first; patch < end; ) {
      const slot = this.#files.with('patches', patch);
      if (slot === undefined) return;
      const last = Math.min(end, slot.first.patches + slot.graph.sizes.patches);
      yield* this.#range(slot, patch - slot.first.patches, last - slot.first.patches, document, options);
      patch = last;
    }
  }

  close(): void {
    this.#beside.clear();
  }

  *#range(
    slot: Slot,
    from: number,
    end: number,
    document: GraphDocument,
    options: PatchesOptions,
  ): Generator<GraphPatch> {
    const { graph } = slot;
    let segment = graph.segmentWith('first_patch', from);
    const rows = graph.reader.pages<PatchRow>(
      `SELECT s.patch_idx, s.node_id, s.prominence, n.metadata FROM sphere_patches s JOIN nodes n ON n.id = s.node_id
       WHERE s.patch_idx < ? AND s.patch_idx > ? ORDER BY s.patch_idx LIMIT ?`,
      (row) => row.patch_idx,
      from - 1,
      end,
    );
    for (const row of rows) {
      if (segment !== undefined && row.patch_idx >= segment.first_patch + segment.patches)
        segment = graph.segment(segment.segment + 1);
      if (segment === undefined) throw graph.reader.bad(`has no segment of patch ${row.patch_idx}`);
      yield this.#patch(slot, row, segment, document, options);
    }
  }

  #patch(
    slot: Slot,
    row: PatchRow,
    segment: SegmentRow,
    { document }: GraphDocument,
    { bytes = false, embeddings = false }: PatchesOptions,
  ): GraphPatch {
    const leaf = leafOf(row, slot.graph);
    const place = bytes || embeddings ? this.#placeOf(slot, row.patch_idx) : undefined;
    const { derived } = segment;
    const begin = (derived === null ? segment.origin_start : 0) + segment.start;
    const byte = segment.first_byte + leaf.start - begin - (place?.firstByte ?? 0);
    return {
      patch: row.patch_idx + slot.first.patches,
      node: row.node_id + slot.first.nodes,
      document,
      ...leaf,
      length: leaf.end - leaf.start,
      prominence: row.prominence,
      label: segment.label,
      modality: segment.modality,
      derived,
      ...(bytes && { bytes: place?.file?.bytes(byte, leaf.end - leaf.start) }),
      ...(embeddings && { embedding: place?.file?.embedding(row.patch_idx - place.firstPatch) }),
    };
  }

  #placeOf({ graph, file }: Slot, patch: number): Place {
    if (!graph.isCorpus) return { file: this.#fileBeside(file), firstPatch: 0, firstByte: 0 };
    const shard = graph.shardWith('first_patch', patch);
    if (shard === undefined) throw graph.reader.bad(`has no shard of patch ${patch}`);
    // what a file says is no reason to read just anything
    if (!/^[\w-]+\/[\w-]+\.hypergraph\.db$/.test(shard.path))
      throw graph.reader.bad(`names a sidecar '${shard.path}' that no run writes`);
    const sidecar = path.join(path.dirname(file), shard.path);
    return { file: this.#fileBeside(sidecar), firstPatch: shard.first_patch, firstByte: shard.first_byte };
  }

  #fileBeside(sidecar: string): PatchFile | undefined {
    let beside = this.#beside.get(sidecar);
    if (beside === undefined) {
      beside = { file: PatchFile.open(sidecar.replace(/(\.hypergraph)?\.db$/, '.safetensors')) };
      this.#beside.set(sidecar, beside);
    }
    return beside.file;
  }
}

function leafOf({ patch_idx, metadata }: PatchRow, graph: GraphFile) {
  const leaf = parsed(metadata);
  const { start_offset: start, end_offset: end, extra } = leaf?.metadata ?? {};
  const { patch_index: index, mean_entropy: entropy, coherence_score: coherence } = extra ?? {};
  if (isNumber(start) && isNumber(end) && isNumber(index) && isNumber(entropy) && isNumber(coherence))
    return { index, start, end, entropy, coherence };
  throw graph.reader.bad(`has a leaf of patch ${patch_idx} that does not say where it lies`);
}

interface LeafJson {
  readonly metadata?: {
    readonly start_offset?: unknown;
    readonly end_offset?: unknown;
    readonly extra?: {
      readonly patch_index?: unknown;
      readonly mean_entropy?: unknown;
      readonly coherence_score?: unknown;
    };
  };
}

function parsed(json: string): LeafJson | undefined {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

const isNumber = (value: unknown): value is number => typeof value === 'number';
