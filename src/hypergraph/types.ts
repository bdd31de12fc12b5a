import type { Position } from '../errors.ts';

/** A document of a graph; one that shards divide is one document. All numbers count through the whole graph, from 0. */
export interface GraphDocument {
  readonly document: number;
  readonly id: string;
  readonly uri: string;
  /** Name of the record that it is a view of. */
  readonly record: string | null;
  /** Its trunk. */
  readonly node: number;
  readonly firstPatch: number;
  readonly patches: number;
  /** What its patches hold. */
  readonly bytes: number;
  /** Of the source record. */
  readonly documentBytes: number;
  readonly modality: string;
  /** Not 0 where it goes on from a sidecar that is no part of this graph. */
  readonly part: number;
  /** False where it goes on in a sidecar that is no part of this graph, or was cut off. */
  readonly complete: boolean;
  readonly position: Position;
  /** JSON with sorted keys: large integers are exact. */
  readonly meta: string;
}

export interface GraphPatch {
  readonly patch: number;
  /** Its leaf. */
  readonly node: number;
  readonly document: number;
  /** Number within the document. */
  readonly index: number;
  /** Bytes of the source record that it covers; where `derived` is set, bytes of its segment. */
  readonly start: number;
  readonly end: number;
  readonly length: number;
  readonly prominence: number;
  /** Mean, in nats. */
  readonly entropy: number;
  readonly coherence: number;
  /** Of its segment. */
  readonly label: string;
  readonly modality: string;
  readonly derived: string | null;
  /** Where they are asked for, and the file of patches lies beside the sidecar. */
  readonly bytes?: Uint8Array | undefined;
  /** f32[dim], likewise. */
  readonly embedding?: Float32Array | undefined;
}

export interface GraphEdge {
  readonly edge: number;
  readonly label: string;
  /** f32. */
  readonly weight: number;
  readonly nodes: readonly number[];
}

export interface Neighbour {
  readonly node: number;
  readonly kind: 'document' | 'segment' | 'patch';
  /** Its number, of a patch or a document. */
  readonly patch?: number | undefined;
  readonly document?: number | undefined;
  /** Edges from where the search began. */
  readonly depth: number;
  /** The last of them, and the node it comes from. */
  readonly label: EdgeLabel;
  readonly weight: number;
  readonly from: number;
}

export type EdgeLabel = 'contains' | 'next' | 'same_source' | 'semantic';

export interface GraphCounts {
  readonly documents: number;
  readonly segments: number;
  readonly patches: number;
  readonly nodes: number;
  readonly edges: number;
  /** Edges between patches. */
  readonly patchEdges: { readonly next: number; readonly same_source: number; readonly semantic: number };
}

export interface DocumentsOptions {
  readonly modality?: string | undefined;
  readonly uri?: string | undefined;
  readonly record?: string | undefined;
  /** Documents before this one are left out. Default: 0. */
  readonly from?: number | undefined;
  /** Default: all. */
  readonly limit?: number | undefined;
}

export interface PatchesOptions {
  /** Patches of the document before this one are left out. Default: 0. */
  readonly from?: number | undefined;
  /** Default: all. */
  readonly limit?: number | undefined;
  /** Read their bytes, and their embeddings, from the file of patches. Default: false. */
  readonly bytes?: boolean | undefined;
  readonly embeddings?: boolean | undefined;
}

export interface RangeOptions {
  /** Default: 0. */
  readonly from?: number | undefined;
  /** Default: all. */
  readonly limit?: number | undefined;
}

export interface NeighboursOptions {
  /** Edges to follow. Default: all. */
  readonly label?: EdgeLabel | readonly EdgeLabel[] | undefined;
  /** Most neighbours. Default: 100. */
  readonly limit?: number | undefined;
  /** Edges to follow one behind the other. Default: 1. */
  readonly depth?: number | undefined;
}

/** Where a search begins: a patch, a document (its trunk), or any node. */
export type Start = { readonly patch: number } | { readonly document: number | string } | { readonly node: number };
