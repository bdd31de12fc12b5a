import { littleEndianBytes } from '../formats/littleEndian.ts';
import { PATCHES_FORMAT } from '../formats/names.ts';
import { safetensorsChunks, type TensorData } from '../formats/safetensors/write.ts';
import type { Patches } from '../records.ts';
import { ChunkList, COALESCE_BYTES, chained, coalesced } from './chunkList.ts';
import { documentsOf, patchSink } from './patchSink.ts';
import type { CutOptions, Keeper, Shard } from './shardCut.ts';
import type { Sink, SinkContext } from './sink.ts';

export interface SafetensorsOptions extends CutOptions {
  /** Further entries of every file's `__metadata__`, such as the model's name; they cannot replace those of the format. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

interface Kept {
  readonly embeddings: ChunkList;
  readonly prominence: ChunkList;
  readonly entropy: ChunkList;
  readonly lengths: ChunkList;
  readonly bytes: ChunkList;
}

const keeper: Keeper<Kept> = {
  open: () => ({
    embeddings: new ChunkList(),
    prominence: new ChunkList(),
    entropy: new ChunkList(),
    lengths: new ChunkList(),
    bytes: new ChunkList(),
  }),
  add(kept, { value, from, to, byteFrom, byteTo }) {
    kept.embeddings.append(littleEndianBytes(value.embeddings.subarray(from * value.dim, to * value.dim)));
    kept.prominence.append(littleEndianBytes(value.prominence.subarray(from, to)));
    kept.entropy.append(littleEndianBytes(value.entropy.subarray(from, to)));
    kept.lengths.append(littleEndianBytes(value.lengths.subarray(from, to)));
    kept.bytes.append(value.bytes.subarray(byteFrom, byteTo));
  },
};

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
 * It holds one open shard in memory. A split without values writes nothing.
 *
 * @param dir folder within the output folder. Default `shards`
 * @throws PipelineError `BAD_FOLDER`, `BAD_SHARD_BYTES`
 */
export function safetensors(dir = 'shards', options: SafetensorsOptions = {}): Sink<Patches> {
  const metadata = options.metadata ?? {};
  return patchSink({
    kind: 'safetensors',
    dir,
    cut: options,
    options: { metadata },
    extension: '.safetensors',
    besides: COALESCE_BYTES,
    keeper,
    write: (context, path, shard) => writeShard(context, path, shard, metadata),
  });
}

async function writeShard(
  context: SinkContext,
  path: string,
  shard: Shard<Kept>,
  extra: Readonly<Record<string, string>>,
): Promise<void> {
  const { patches, bytes, dim, parts } = shard;
  const tensor = (
    name: string,
    dtype: TensorData['dtype'],
    shape: number[],
    pick: (kept: Kept) => ChunkList,
  ): TensorData => ({
    name,
    dtype,
    shape,
    chunks: chained(parts.map((part) => pick(part.kept))),
  });
  const file = await context.file(path);
  const chunks = safetensorsChunks(
    [
      tensor('embeddings', 'F32', [patches, dim], (kept) => kept.embeddings),
      tensor('patch_entropies', 'F32', [patches], (kept) => kept.entropy),
      tensor('prominence', 'F32', [patches], (kept) => kept.prominence),
      tensor('patch_lengths', 'I32', [patches], (kept) => kept.lengths),
      tensor('bytes', 'U8', [bytes], (kept) => kept.bytes),
    ],
    {
      ...extra,
      format: PATCHES_FORMAT,
      embed_dim: String(dim),
      num_patches: String(patches),
      n_patches: String(patches),
      total_bytes: String(bytes),
      split: context.split.id,
      shard: String(shard.index),
    },
  );
  for (const chunk of coalesced(chunks)) await file.write(chunk);
  await file.publish({
    format: PATCHES_FORMAT,
    split: context.split.id,
    shard: shard.index,
    patches,
    bytes,
    dim,
    documents: documentsOf(shard),
  });
}
