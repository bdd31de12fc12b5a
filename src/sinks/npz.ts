import { NPZ_FORMAT } from '../formats/names.ts';
import { npyArray } from '../formats/npy.ts';
import { type NpzMember, npzChunks } from '../formats/npz.ts';
import { requireOptions } from '../knownOptions.ts';
import type { Patches } from '../records.ts';
import { column, columnsKeeper, type PatchColumns } from './patchColumns.ts';
import { documentsOf, patchSink } from './patchSink.ts';
import { CUT_OPTIONS, type CutOptions, type Shard } from './shardCut.ts';
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
 * They are stored without compression. It holds one open shard in memory, and as much again while it writes it. A split
 * without values writes nothing.
 *
 * @param dir folder within the output folder. Default `npz`
 * @throws PipelineError `BAD_FOLDER`, `BAD_SHARD_BYTES`
 */
export function npz(dir = 'npz', options: CutOptions = {}): Sink<Patches> {
  requireOptions('npz', options, CUT_OPTIONS);
  const sink = patchSink({
    kind: 'npz',
    dir,
    cut: options,
    extension: '.npz',
    besides: 0,
    keeper: columnsKeeper,
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
    split: context.split.id,
    shard: index,
    patches,
    bytes,
    dim,
    documents: documentsOf(shard),
    parts: parts.length,
  });
}

function* membersOf({ patches, bytes, dim, parts }: Shard<PatchColumns>): Generator<NpzMember, void, undefined> {
  const floats = (name: string, from: keyof PatchColumns, shape: number[]): NpzMember => ({
    name,
    type: '<f4',
    shape,
    chunks: column(parts, from),
  });
  yield floats('embeddings', 'embeddings', [patches, dim]);
  yield floats('prominence', 'prominence', [patches]);
  yield floats('patch_entropies', 'entropy', [patches]);
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
