import { PipelineError } from '../errors.ts';
import { isSignal } from '../quantization/fieldTensors.ts';
import type { DocumentHead, Patches } from '../records.ts';
import { headMetaJson } from './metaJson.ts';

/** What a document's entry in a shard is counted as, besides its strings: its row, its lists, its objects. */
const ENTRY_COST = 1024;

/** Bytes that a document counts for besides its patches. */
export function documentCost(head: DocumentHead): number {
  return (
    ENTRY_COST + Buffer.byteLength(head.id) + Buffer.byteLength(head.source.uri) + Buffer.byteLength(headMetaJson(head))
  );
}

/** Bytes that a patch, and a byte of it, count for. */
export interface RowCosts {
  readonly patch: number;
  readonly byte: number;
}

/**
 * Of a field that is quantized the larger of both forms counts, or both: the float32 values are what some sinks work with,
 * whatever others write, and all have to cut at the same places within the bytes that they say they hold.
 */
export function rowCosts({ dim, quantized = [] }: Patches): RowCosts {
  let patch = 4 * dim + 16;
  let byte = 9;
  for (const { field, quantizer, keep } of quantized) {
    const floats = 4 * (field === 'embeddings' ? dim : 1);
    const rowBytes = quantizer.parts.reduce((sum, part) => sum + part.rowBytes, 0);
    const more = keep ? rowBytes : Math.max(0, rowBytes - floats);
    if (isSignal(field)) byte += more;
    else patch += more;
  }
  return { patch, byte };
}

/**
 * Bytes of all that quantizers have learned, which every shard holds.
 * @throws PipelineError `SHARD_TOO_SMALL` where it is more than half of one
 */
export function learnedCost({ quantized = [] }: Patches, shardBytes: number): number {
  const bytes = quantized
    .flatMap(({ quantizer }) => quantizer.trained)
    .reduce((sum, { values }) => sum + values.byteLength, 0);
  if (2 * bytes <= shardBytes) return bytes;
  throw new PipelineError(`quantizers have learned ${bytes} bytes, and a shard shall hold ${shardBytes}`, {
    code: 'SHARD_TOO_SMALL',
    hint: `every shard holds what quantizers have learned: raise shardBytes of all sinks to ${2 * bytes} or more`,
  });
}
