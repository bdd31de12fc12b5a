import { littleEndianBytes } from '../formats/littleEndian.ts';
import { PATCHES_FORMAT } from '../formats/names.ts';
import { safetensorsChunks, type TensorData } from '../formats/safetensors/write.ts';
import { ChunkList, chained } from './chunkList.ts';
import type { Keeper, PatchSlice, Shard } from './shardCut.ts';

/** Patches column by column, little-endian. */
export interface PatchColumns {
  /** f32[P * D]. */
  readonly embeddings: ChunkList;
  /** f32[P]. */
  readonly prominence: ChunkList;
  /** f32[P], nats. */
  readonly entropy: ChunkList;
  /** f32[P]. */
  readonly coherence: ChunkList;
  /** i32[P]. */
  readonly lengths: ChunkList;
  readonly bytes: ChunkList;
}

export function emptyColumns(): PatchColumns {
  return {
    embeddings: new ChunkList(),
    prominence: new ChunkList(),
    entropy: new ChunkList(),
    coherence: new ChunkList(),
    lengths: new ChunkList(),
    bytes: new ChunkList(),
  };
}

export function addPatches(kept: PatchColumns, { value, from, to, byteFrom, byteTo }: PatchSlice): void {
  kept.embeddings.append(littleEndianBytes(value.embeddings.subarray(from * value.dim, to * value.dim)));
  kept.prominence.append(littleEndianBytes(value.prominence.subarray(from, to)));
  kept.entropy.append(littleEndianBytes(value.entropy.subarray(from, to)));
  kept.coherence.append(littleEndianBytes(value.coherence.subarray(from, to)));
  kept.lengths.append(littleEndianBytes(value.lengths.subarray(from, to)));
  kept.bytes.append(value.bytes.subarray(byteFrom, byteTo));
}

/** Keeps everything about patches but what the model said about single bytes. */
export const columnsKeeper: Keeper<PatchColumns> = { open: emptyColumns, add: addPatches };

/** One column of all documents of a shard, one document after the other. */
export function column(
  parts: readonly { readonly kept: PatchColumns }[],
  name: keyof PatchColumns,
): Generator<Uint8Array, void, undefined> {
  return chained(parts.map(({ kept }) => kept[name]));
}

/** The bytes of one column in one piece. */
export function joined(list: ChunkList): Uint8Array {
  const chunks = [...list];
  return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks);
}

type Held = Pick<Shard<PatchColumns>, 'patches' | 'bytes' | 'dim'> & {
  readonly parts: readonly { readonly kept: PatchColumns }[];
};

/** A safetensors file of format `blt_patches_v3`, chunk by chunk; see `safetensors`. */
export function patchFileChunks(
  { patches, bytes, dim, parts }: Held,
  metadata: Readonly<Record<string, string>>,
): Generator<Uint8Array, void, undefined> {
  const tensor = (name: string, dtype: TensorData['dtype'], shape: number[], from: keyof PatchColumns): TensorData => ({
    name,
    dtype,
    shape,
    chunks: column(parts, from),
  });
  return safetensorsChunks(
    [
      tensor('embeddings', 'F32', [patches, dim], 'embeddings'),
      tensor('patch_entropies', 'F32', [patches], 'entropy'),
      tensor('prominence', 'F32', [patches], 'prominence'),
      tensor('patch_lengths', 'I32', [patches], 'lengths'),
      tensor('bytes', 'U8', [bytes], 'bytes'),
    ],
    {
      ...metadata,
      format: PATCHES_FORMAT,
      embed_dim: String(dim),
      num_patches: String(patches),
      n_patches: String(patches),
      total_bytes: String(bytes),
    },
  );
}
