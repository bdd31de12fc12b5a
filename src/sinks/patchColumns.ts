import { littleEndianBytes } from '../formats/littleEndian.ts';
import { PATCHES_FORMAT, QUANTIZED_PATCHES_FORMAT } from '../formats/names.ts';
import { safetensorsChunks, type TensorData } from '../formats/safetensors/write.ts';
import { fieldTensor, PATCH_FIELDS, QUANTIZATION_KEY } from '../quantization/fieldTensors.ts';
import type { Patches } from '../records.ts';
import { ChunkList, chained } from './chunkList.ts';
import {
  addQuantized,
  isLeftOut,
  type LearnedPlace,
  openQuantized,
  type QuantizedColumn,
  quantizationMetadata,
  quantizedInfo,
  quantizedTensors,
} from './quantizedColumns.ts';
import type { Keeper, PatchSlice, Shard } from './shardCut.ts';

/** Patches column by column, little-endian. Those that are written quantized alone are empty. */
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
  readonly quantized: readonly QuantizedColumn[];
}

/** Columns of a float32 field, of integers or of bytes. */
export type PlainColumn = Exclude<keyof PatchColumns, 'quantized'>;

/** @throws PipelineError `QUANTIZER_FILE` as `openQuantized` */
export function emptyColumns(first: Patches, place: LearnedPlace): PatchColumns {
  return {
    quantized: openQuantized(first, PATCH_FIELDS, place),
    embeddings: new ChunkList(),
    prominence: new ChunkList(),
    entropy: new ChunkList(),
    coherence: new ChunkList(),
    lengths: new ChunkList(),
    bytes: new ChunkList(),
  };
}

export function addPatches(kept: PatchColumns, slice: PatchSlice): void {
  const { value, from, to, byteFrom, byteTo } = slice;
  for (const field of PATCH_FIELDS) {
    if (isLeftOut(kept.quantized, field)) continue;
    const width = field === 'embeddings' ? value.dim : 1;
    kept[field].append(littleEndianBytes(value[field].subarray(from * width, to * width)));
  }
  addQuantized(kept.quantized, slice);
  kept.coherence.append(littleEndianBytes(value.coherence.subarray(from, to)));
  kept.lengths.append(littleEndianBytes(value.lengths.subarray(from, to)));
  kept.bytes.append(value.bytes.subarray(byteFrom, byteTo));
}

/** Keeps everything about patches but what the model said about single bytes. */
export function columnsKeeper(place: LearnedPlace): Keeper<PatchColumns> {
  return { open: (first) => emptyColumns(first, place), add: addPatches };
}

/** One column of all documents of a shard, one document after the other. */
export function column(
  parts: readonly { readonly kept: PatchColumns }[],
  name: PlainColumn,
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

/** What is quantized in a shard: the same in all its documents. */
export function quantizedOf({ parts }: Pick<Held, 'parts'>): readonly QuantizedColumn[] {
  return parts[0]?.kept.quantized ?? [];
}

/** Format of a file of these patches, and what is said of it as an artefact besides its counts. */
export function patchFileInfo(held: Pick<Held, 'parts'>) {
  const quantized = quantizedOf(held);
  const leavesOut = quantized.some(({ keep }) => !keep);
  return { format: leavesOut ? QUANTIZED_PATCHES_FORMAT : PATCHES_FORMAT, ...quantizedInfo(quantized) };
}

/** A safetensors file of format `blt_patches_v3`, or `blt_patches_v3_quantized`, chunk by chunk; see `safetensors`. */
export function patchFileChunks(
  held: Held,
  metadata: Readonly<Record<string, string>>,
): Generator<Uint8Array, void, undefined> {
  const { patches, bytes, dim, parts } = held;
  const quantized = quantizedOf(held);
  // readers would believe it
  const { [QUANTIZATION_KEY]: _, ...own } = metadata;
  const tensor = (name: string, dtype: TensorData['dtype'], shape: number[], from: PlainColumn): TensorData => ({
    name,
    dtype,
    shape,
    chunks: column(parts, from),
  });
  const floats = PATCH_FIELDS.filter((field) => !isLeftOut(quantized, field)).map((field) =>
    tensor(fieldTensor(field), 'F32', field === 'embeddings' ? [patches, dim] : [patches], field),
  );
  return safetensorsChunks(
    [
      ...floats,
      ...quantizedTensors(
        parts.map(({ kept }) => kept),
        held,
      ),
      tensor('patch_lengths', 'I32', [patches], 'lengths'),
      tensor('bytes', 'U8', [bytes], 'bytes'),
    ],
    {
      ...own,
      ...quantizationMetadata(quantized),
      format: patchFileInfo(held).format,
      embed_dim: String(dim),
      num_patches: String(patches),
      n_patches: String(patches),
      total_bytes: String(bytes),
    },
  );
}
