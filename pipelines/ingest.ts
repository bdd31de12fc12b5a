import { definePipeline } from 'sluice';
import { embed, patch, pretokenize, quantize } from 'sluice/operators';
import { hypergraph, safetensors, signals } from 'sluice/sinks';
import { files } from 'sluice/sources';
import { z } from 'zod';

const parameters = z.object({
  input: z.string().describe('file, folder or pattern: text, JSONL, Parquet, tar, anything'),
  textColumn: z.string().default('text').describe('column of JSONL and Parquet rows that holds the document'),
  idColumn: z.string().optional().describe('column that names a document'),
  charset: z.enum(['keep', 'utf-8']).default('keep').describe('keep the bytes of legacy text, or transcode it'),
  model: z.string().optional().describe('model folder or .gguf file; the embedded model otherwise'),
  threshold: z
    .union([z.literal('auto'), z.coerce.number()], { error: "it takes a number of nats, or 'auto'" })
    .default('auto')
    .describe('nats above which a patch begins, or auto'),
  monotonicity: z.boolean().default(false).describe('compare the rise of the entropy with the threshold'),
  thresholdAdd: z.number().optional().describe('also ask for a rise by this many nats'),
  maxPatchLength: z.int().positive().optional().describe('cut longer patches'),
  maxFileBytes: z
    .int()
    .positive()
    .optional()
    .describe('bytes of a document at most: larger texts come in parts, other files are rejected (default: 16 MiB)'),
  quantize: z
    .string()
    .optional()
    .describe('what embeddings become: int8, int4, pq:16, pca:64+int8 ... (default: float32)'),
  signals: z.boolean().default(false).describe('also write entropy and norm of every byte'),
});

export default definePipeline('ingest', parameters, (p) => {
  const source = files(p.input, { text: p.textColumn, id: p.idColumn, maxDocumentBytes: p.maxFileBytes });
  const patches = definePipeline('ingest', source).pipe(
    pretokenize({ charset: p.charset }),
    embed({ model: p.model }),
    patch({
      threshold: p.threshold,
      monotonicity: p.monotonicity,
      thresholdAdd: p.thresholdAdd,
      maxPatchLength: p.maxPatchLength,
    }),
  );
  const written = p.quantize === undefined ? patches : patches.pipe(quantize({ to: p.quantize }));
  return written.to(safetensors('shards'), hypergraph('shards'), ...(p.signals ? [signals('shards')] : []));
});
