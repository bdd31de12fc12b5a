import { littleEndianBytes } from '../formats/littleEndian.ts';
import { QUANTIZED_SIGNALS_FORMAT, SIGNALS_FORMAT } from '../formats/names.ts';
import { safetensorsChunks, type TensorData } from '../formats/safetensors/write.ts';
import { requireOptions } from '../knownOptions.ts';
import { SIGNAL_FIELDS } from '../quantization/fieldTensors.ts';
import type { Patches } from '../records.ts';
import { badPatches } from './checkedPatches.ts';
import { ChunkList, COALESCE_BYTES, chained, coalesced } from './chunkList.ts';
import { learnedBy, patchSink } from './patchSink.ts';
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
import { CUT_OPTIONS, type CutOptions, type Keeper, type Shard } from './shardCut.ts';
import type { Sink, SinkContext } from './sink.ts';

/** Signals that are written quantized alone are empty. */
interface Kept {
  readonly entropies: ChunkList;
  readonly norms: ChunkList;
  readonly quantized: readonly QuantizedColumn[];
}

const keeper = (place: LearnedPlace): Keeper<Kept> => ({
  open: (first) => ({
    entropies: new ChunkList(),
    norms: new ChunkList(),
    quantized: openQuantized(first, SIGNAL_FIELDS, place),
  }),
  add(kept, slice) {
    const { value, byteFrom, byteTo } = slice;
    if (value.entropies.length !== value.bytes.length || value.norms.length !== value.bytes.length) {
      throw badPatches(
        value,
        'no signals for its bytes',
        'patch({ keepSignals: true }) hands them on, and is the default',
      );
    }
    for (const field of SIGNAL_FIELDS) {
      if (!isLeftOut(kept.quantized, field))
        kept[field].append(littleEndianBytes(value[field].subarray(byteFrom, byteTo)));
    }
    addQuantized(kept.quantized, slice);
  },
});

/**
 * Writes what the model said about every byte, `<dir>/<split>-<n>.signals.safetensors`, cut like the `safetensors` files
 * of the same options:
 *
 * | tensor | type | shape | content |
 * |---|---|---|---|
 * | document_offsets | I64 | [documents + 1] | first byte of each document (or part of one) in this file, then B |
 * | entropies | F32 | [B] | uncertainty about a byte given those before it, nats |
 * | norms | F32 | [B] | L2 norm of the pre-norm state at a byte |
 *
 * What `quantize` has quantized of them is written in its parts instead, as `safetensors` does.
 *
 * @param dir folder within the output folder. Default `shards`
 * @throws PipelineError `BAD_FOLDER`, `BAD_SHARD_BYTES`; the flow fails with SluiceError `BAD_PATCHES` where patches
 *   carry no signals, with PipelineError `QUANTIZER_FILE`, `SHARD_TOO_SMALL` as that of `safetensors`
 */
export function signals(dir = 'shards', options: CutOptions = {}): Sink<Patches> {
  requireOptions('signals', options, CUT_OPTIONS);
  return patchSink({
    kind: 'signals',
    dir,
    cut: options,
    extension: '.signals.safetensors',
    besides: COALESCE_BYTES,
    keeper: keeper({ sink: 'signals', learned: learnedBy(options) }),
    write: writeShard,
  });
}

async function writeShard(context: SinkContext, path: string, shard: Shard<Kept>): Promise<void> {
  const { parts, bytes } = shard;
  const offsets = new BigInt64Array(parts.length + 1);
  let offset = 0;
  parts.forEach((part, i) => {
    offset += part.bytes;
    offsets[i + 1] = BigInt(offset);
  });
  const kept = parts.map((part) => part.kept);
  const quantized = kept[0]?.quantized ?? [];
  const format = quantized.some(({ keep }) => !keep) ? QUANTIZED_SIGNALS_FORMAT : SIGNALS_FORMAT;
  const floats = SIGNAL_FIELDS.filter((field) => !isLeftOut(quantized, field)).map((field): TensorData => {
    return { name: field, dtype: 'F32', shape: [bytes], chunks: chained(kept.map((part) => part[field])) };
  });
  const file = await context.file(path);
  const chunks = safetensorsChunks(
    [
      { name: 'document_offsets', dtype: 'I64', shape: [offsets.length], chunks: [littleEndianBytes(offsets)] },
      ...floats,
      ...quantizedTensors(kept, { patches: shard.patches, bytes }),
    ],
    {
      ...quantizationMetadata(quantized),
      format,
      documents: String(parts.length),
      total_bytes: String(bytes),
      split: context.split.id,
      shard: String(shard.index),
    },
  );
  for (const chunk of coalesced(chunks)) await file.write(chunk);
  await file.publish({
    format,
    ...quantizedInfo(quantized),
    split: context.split.id,
    shard: shard.index,
    bytes,
    parts: parts.length,
  });
}
