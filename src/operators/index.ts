export { moving, workerModule } from '../run/pool.ts';
export { type ArchiveRule, type AttachOptions, attach } from './attach.ts';
export { type DedupOptions, type Duplicate, dedup } from './dedup.ts';
export { type DedupVectorsOptions, dedupVectors } from './dedupVectors.ts';
export { type EmbedOptions, embed } from './embed.ts';
export { type InWorkersOptions, inWorkers, type WorkerFunction } from './inWorkers.ts';
export { type PatchOptions, patch } from './patch.ts';
export { type PretokenizeOptions, pretokenize } from './pretokenize.ts';
export { type SimilarityBatchOptions, similarityBatch } from './similarityBatch.ts';
