export type { Artefact, ArtefactFile } from './artefact.ts';
export { type HypergraphOptions, hypergraph } from './hypergraph.ts';
export { type JsonlOptions, jsonl } from './jsonl.ts';
export { type ParquetOptions, parquet } from './parquet.ts';
export { type SafetensorsOptions, safetensors } from './safetensors.ts';
export type { CutOptions } from './shardCut.ts';
export type { Layout } from './shardName.ts';
export { signals } from './signals.ts';
export type { Sink, SinkContext, SinkWriter } from './sink.ts';
