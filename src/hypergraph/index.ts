export { type GraphNode, type Hypergraph, openHypergraph } from './hypergraph.ts';
export type {
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
