export type { QuantizedField, QuantizedFieldName } from '../records.ts';
export type { LayoutDocument, LayoutSegment } from './document.ts';
export { readJsonGraph } from './jsonGraph.ts';
export type { Held, LayoutFormat, PatchRows, PatchTable, RowColumn, RowsOptions } from './layout.ts';
export { type GraphDocument, graphDocuments, type OldGraph, openOldSidecar } from './oldGraph.ts';
export type { OldLeaf, OldNode } from './oldNode.ts';
export { type Layout, type LayoutCounts, type LayoutOptions, openLayout } from './openLayout.ts';
