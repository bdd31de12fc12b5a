import { definePipeline } from 'sluice';
import { dedup, embed, patch, pretokenize, quantize, similarityBatch } from 'sluice/operators';
import { hypergraph, safetensors } from 'sluice/sinks';
import { hf } from 'sluice/sources';
import { z } from 'zod';

const parameters = z.object({
  dataset: z
    .string()
    .default('HuggingFaceFW/fineweb-edu')
    .describe('dataset on the Hub with the columns of FineWeb-Edu'),
  config: z
    .string()
    .default('sample-10BT')
    .describe('part of it: sample-10BT, sample-100BT, CC-MAIN-2024-10, default ...'),
  split: z.string().default('train').describe('split of that part'),
  revision: z.string().default('main').describe('branch, tag or commit; a run is pinned to the commit it finds'),
  minScore: z.coerce.number().int().default(3).describe('least educational score (int_score) of a document'),
  quantize: z
    .string()
    .optional()
    .describe('what embeddings become: int8, int4, pq:16, pca:64+int8 ... (default: float32)'),
  cache: z
    .boolean()
    .default(false)
    .describe('keep whole files in the Hub cache, verified, instead of streaming columns'),
});

/**
 * FineWeb-Edu from the Hub: only the needed columns of the needed row groups are fetched, rows below the score are passed
 * over, near-duplicates within a split are dropped.
 *
 *     sluice run fineweb-edu --config sample-10BT --limit 1000 --output out/fineweb
 */
export default definePipeline('fineweb-edu', parameters, (p) => {
  const { dataset, config, split, revision, minScore, cache } = p;
  const patches = definePipeline(
    'fineweb-edu',
    hf(dataset, {
      config,
      split,
      revision,
      columns: {
        id: 'string',
        text: 'string',
        url: 'string',
        dump: 'string',
        int_score: 'int64',
        token_count: 'int64',
      },
      where: { int_score: { gte: BigInt(minScore) } },
      remote: { cache },
    }),
    { splitBytes: 32 << 20 },
  ).pipe(
    pretokenize(),
    dedup({ threshold: 0.8 }),
    similarityBatch({ maxBytes: 64 << 10 }),
    embed(),
    patch({ threshold: 'auto' }),
  );
  const written = p.quantize === undefined ? patches : patches.pipe(quantize({ to: p.quantize }));
  return written.to(safetensors('shards'), hypergraph('shards'));
});
