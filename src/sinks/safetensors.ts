import { requireOptions } from '../knownOptions.ts';
import type { Patches } from '../records.ts';
import { COALESCE_BYTES, coalesced } from './chunkList.ts';
import { columnsKeeper, type PatchColumns, patchFileChunks, patchFileInfo } from './patchColumns.ts';
import { documentsOf, learnedBy, patchSink } from './patchSink.ts';
import { CUT_OPTIONS, type CutOptions, type Shard } from './shardCut.ts';
import type { Sink, SinkContext } from './sink.ts';

export interface SafetensorsOptions extends CutOptions {
  /** Further entries of every file's `__metadata__`, such as the model's name; they cannot replace those of the format. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

/**
 * Writes patches as safetensors files of format `blt_patches_v3`, `<dir>/<split>-<n>.safetensors`:
 *
 * | tensor | type | shape | content |
 * |---|---|---|---|
 * | embeddings | F32 | [P, D] | mean of the pre-norm states of a patch's bytes |
 * | patch_entropies | F32 | [P] | mean entropy, nats |
 * | prominence | F32 | [P] | aggregated L2 norm |
 * | patch_lengths | I32 | [P] | bytes; they add up to B |
 * | bytes | U8 | [B] | the bytes of all patches, in order |
 *
 * `__metadata__`: format, embed_dim, num_patches and n_patches (the same number under both names readers use),
 * total_bytes, split, shard.
 *
 * Of a field that `quantize` has quantized there is `<tensor>.<part>` for each part of its schemes in place of the float32 tensor
 * (beside it with `keep`), `<tensor>.<scheme>.<name>` for what those have learned, and `quantization` in the metadata, which
 * tells how to read them: docs/output.md. The format is `blt_patches_v3_quantized` where a float32 tensor is left out. Files of
 * single documents (`layout: 'document'`) name the quantizer file of the run instead of holding what was learned.
 *
 * It holds one open shard in memory. A split without values writes nothing.
 *
 * @param dir folder within the output folder. Default `shards`
 * @throws PipelineError `BAD_FOLDER`, `BAD_SHARD_BYTES`; the flow fails with PipelineError `QUANTIZER_FILE` where there is no file to
 *   name, `SHARD_TOO_SMALL` where what was learned takes more than half of `shardBytes`
 */
export function safetensors(dir = 'shards', options: SafetensorsOptions = {}): Sink<Patches> {
  requireOptions('safetensors', options, { ...CUT_OPTIONS, metadata: true });
  const metadata = options.metadata ?? {};
  return patchSink({
    kind: 'safetensors',
    dir,
    cut: options,
    options: { metadata },
    extension: '.safetensors',
    besides: COALESCE_BYTES,
    keeper: columnsKeeper({ sink: 'safetensors', learned: learnedBy(options) }),
    write: (context, path, shard) => writeShard(context, path, shard, metadata),
  });
}

async function writeShard(
  context: SinkContext,
  path: string,
  shard: Shard<PatchColumns>,
  extra: Readonly<Record<string, string>>,
): Promise<void> {
  const { patches, bytes, dim } = shard;
  const file = await context.file(path);
  const chunks = patchFileChunks(shard, { ...extra, split: context.split.id, shard: String(shard.index) });
  for (const chunk of coalesced(chunks)) await file.write(chunk);
  await file.publish({
    ...patchFileInfo(shard),
    split: context.split.id,
    shard: shard.index,
    patches,
    bytes,
    dim,
    documents: documentsOf(shard),
  });
}
