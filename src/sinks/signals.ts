import { littleEndianBytes } from '../formats/littleEndian.ts';
import { SIGNALS_FORMAT } from '../formats/names.ts';
import { safetensorsChunks } from '../formats/safetensors/write.ts';
import { requireOptions } from '../knownOptions.ts';
import type { Patches } from '../records.ts';
import { ChunkList, COALESCE_BYTES, chained, coalesced } from './chunkList.ts';
import { patchSink } from './patchSink.ts';
import { badPatches, CUT_OPTIONS, type CutOptions, type Keeper, type Shard } from './shardCut.ts';
import type { Sink, SinkContext } from './sink.ts';

interface Kept {
  readonly entropies: ChunkList;
  readonly norms: ChunkList;
}

const keeper: Keeper<Kept> = {
  open: () => ({ entropies: new ChunkList(), norms: new ChunkList() }),
  add(kept, { value, byteFrom, byteTo }) {
    if (value.entropies.length !== value.bytes.length || value.norms.length !== value.bytes.length) {
      throw badPatches(
        value,
        'no signals for its bytes',
        'patch({ keepSignals: true }) hands them on, and is the default',
      );
    }
    kept.entropies.append(littleEndianBytes(value.entropies.subarray(byteFrom, byteTo)));
    kept.norms.append(littleEndianBytes(value.norms.subarray(byteFrom, byteTo)));
  },
};

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
 * @param dir folder within the output folder. Default `shards`
 * @throws PipelineError `BAD_FOLDER`, `BAD_SHARD_BYTES`; the flow fails with SluiceError `BAD_PATCHES` where patches
 *   carry no signals
 */
export function signals(dir = 'shards', options: CutOptions = {}): Sink<Patches> {
  requireOptions('signals', options, CUT_OPTIONS);
  return patchSink({
    kind: 'signals',
    dir,
    cut: options,
    extension: '.signals.safetensors',
    besides: COALESCE_BYTES,
    keeper,
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
  const file = await context.file(path);
  const chunks = safetensorsChunks(
    [
      { name: 'document_offsets', dtype: 'I64', shape: [offsets.length], chunks: [littleEndianBytes(offsets)] },
      { name: 'entropies', dtype: 'F32', shape: [bytes], chunks: chained(parts.map((part) => part.kept.entropies)) },
      { name: 'norms', dtype: 'F32', shape: [bytes], chunks: chained(parts.map((part) => part.kept.norms)) },
    ],
    {
      format: SIGNALS_FORMAT,
      documents: String(parts.length),
      total_bytes: String(bytes),
      split: context.split.id,
      shard: String(shard.index),
    },
  );
  for (const chunk of coalesced(chunks)) await file.write(chunk);
  await file.publish({
    format: SIGNALS_FORMAT,
    split: context.split.id,
    shard: shard.index,
    bytes,
    parts: parts.length,
  });
}
