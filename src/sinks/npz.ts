import { PipelineError } from '../errors.ts';
import { NPZ_FORMAT } from '../formats/names.ts';
import { npyArray, npyTypeOf } from '../formats/npy.ts';
import { type NpzMember, npzChunks } from '../formats/npz.ts';
import { requireOptions } from '../knownOptions.ts';
import { fieldTensor, PATCH_FIELDS, QUANTIZATION_KEY } from '../quantization/fieldTensors.ts';
import type { Patches } from '../records.ts';
import { column, columnsKeeper, type PatchColumns, type PlainColumn, quantizedOf } from './patchColumns.ts';
import { documentsOf, learnedBy, patchSink } from './patchSink.ts';
import {
  isLeftOut,
  type LearnedPlace,
  quantizationMetadata,
  quantizedInfo,
  quantizedTensors,
} from './quantizedColumns.ts';
import { CUT_OPTIONS, type CutOptions, type Keeper, type Shard } from './shardCut.ts';
import type { Sink, SinkContext } from './sink.ts';

/**
 * Writes patches as NumPy files, `<dir>/<split>-<n>.npz`, cut like the `safetensors` files of the same options:
 *
 * | array | type | shape | content |
 * |---|---|---|---|
 * | embeddings | float32 | [P, D] | mean of the pre-norm states of a patch's bytes |
 * | prominence | float32 | [P] | aggregated L2 norm |
 * | patch_entropies | float32 | [P] | mean entropy, nats |
 * | coherence | float32 | [P] | prominence^2 / (entropy + 1e-6) |
 * | patch_lengths | int32 | [P] | bytes; they add up to B |
 * | bytes | uint8 | [B] | the bytes of all patches, in order |
 * | document_offsets | int64 | [documents + 1] | first patch of each document (or part of one) in this file, then P |
 * | doc_ids | uint8 | [...] | ids of these documents as UTF-8, one behind the other |
 * | doc_id_offsets | int64 | [documents + 1] | where in doc_ids each id begins, then its end |
 *
 * What `quantize` has quantized is there in its parts instead, under the names that `safetensors` gives them, and the JSON text
 * `quantization`, uint8 [...], tells how to read them.
 *
 * They are stored without compression. It holds one open shard in memory, and as much again while it writes it. A split
 * without values writes nothing.
 *
 * @param dir folder within the output folder. Default `npz`
 * @throws PipelineError `BAD_FOLDER`, `BAD_SHARD_BYTES`; the flow fails with PipelineError `UNKNOWN_TYPE` for parts of a type that NumPy
 *   does not have, `QUANTIZER_FILE` and `SHARD_TOO_SMALL` as that of `safetensors`
 */
export function npz(dir = 'npz', options: CutOptions = {}): Sink<Patches> {
  requireOptions('npz', options, CUT_OPTIONS);
  const sink = patchSink({
    kind: 'npz',
    dir,
    cut: options,
    extension: '.npz',
    besides: 0,
    keeper: npzKeeper(learnedBy(options)),
    write: writeShard,
  });
  return { ...sink, holds: 2 * sink.holds };
}

async function writeShard(context: SinkContext, path: string, shard: Shard<PatchColumns>): Promise<void> {
  const { index, patches, bytes, dim, parts } = shard;
  const file = await context.file(path);
  for await (const chunk of npzChunks(membersOf(shard))) await file.write(chunk);
  await file.publish({
    format: NPZ_FORMAT,
    ...quantizedInfo(quantizedOf(shard)),
    split: context.split.id,
    shard: index,
    patches,
    bytes,
    dim,
    documents: documentsOf(shard),
    parts: parts.length,
  });
}

/**
 * Refuses parts of types that NumPy does not have, before anything is written.
 * @throws PipelineError `UNKNOWN_TYPE`
 */
function npzKeeper(learned: LearnedPlace['learned']): Keeper<PatchColumns> {
  const { open, add } = columnsKeeper({ sink: 'npz', learned });
  return {
    add,
    open(...given) {
      const kept = open(...given);
      for (const { field, quantizer } of kept.quantized) {
        for (const { name, dtype } of quantizer.parts) {
          if (npyTypeOf(dtype) !== undefined) continue;
          throw new PipelineError(`npz cannot write the ${name} of quantized ${field}: NumPy has no ${dtype}`, {
            code: 'UNKNOWN_TYPE',
            hint: 'choose another scheme, or write them with safetensors()',
          });
        }
      }
      return kept;
    },
  };
}

function* membersOf(shard: Shard<PatchColumns>): Generator<NpzMember, void, undefined> {
  const { patches, bytes, dim, parts } = shard;
  const quantized = quantizedOf(shard);
  const floats = (name: string, from: PlainColumn, shape: number[]): NpzMember => ({
    name,
    type: '<f4',
    shape,
    chunks: column(parts, from),
  });
  for (const field of PATCH_FIELDS) {
    if (!isLeftOut(quantized, field))
      yield floats(fieldTensor(field), field, field === 'embeddings' ? [patches, dim] : [patches]);
  }
  const kept = parts.map((part) => part.kept);
  for (const { name, dtype, shape, chunks } of quantizedTensors(kept, shard)) {
    const type = npyTypeOf(dtype);
    if (type !== undefined) yield { name, type, shape, chunks };
  }
  for (const text of Object.values(quantizationMetadata(quantized))) {
    yield { name: QUANTIZATION_KEY, ...npyArray(Buffer.from(text)) };
  }
  yield floats('coherence', 'coherence', [patches]);
  yield { name: 'patch_lengths', type: '<i4', shape: [patches], chunks: column(parts, 'lengths') };
  yield { name: 'bytes', type: '|u1', shape: [bytes], chunks: column(parts, 'bytes') };
  yield { name: 'document_offsets', ...npyArray(offsetsOf(parts.map((part) => part.patches))) };
  const ids = parts.map(({ document }) => Buffer.from(document.id));
  yield { name: 'doc_ids', ...npyArray(Buffer.concat(ids)) };
  yield { name: 'doc_id_offsets', ...npyArray(offsetsOf(ids.map((id) => id.length))) };
}

function offsetsOf(sizes: readonly number[]): BigInt64Array {
  const offsets = new BigInt64Array(sizes.length + 1);
  let end = 0;
  for (const [i, size] of sizes.entries()) {
    end += size;
    offsets[i + 1] = BigInt(end);
  }
  return offsets;
}
