import type { SignedBatch } from '../../lsh/signer.ts';
import { meanSimilarity, similarityGroups } from '../../lsh/similarityGroups.ts';
import { moving } from '../../run/pool.ts';
import { type BatchLimits, packed } from './packing.ts';

/** The documents of one window. */
export interface GroupTask extends SignedBatch {
  /** Tokens of each. */
  readonly lengths: Float64Array<ArrayBuffer>;
  readonly threshold: number;
  readonly limits: BatchLimits;
}

/** The batches of a window. */
export interface Grouping {
  /** Documents by their numbers in the window, batch after batch. */
  readonly documents: Uint32Array<ArrayBuffer>;
  /** Where each batch ends among them. */
  readonly ends: Uint32Array<ArrayBuffer>;
  /** Mean within each batch; NaN for a single document. */
  readonly similarities: Float64Array<ArrayBuffer>;
}

/** Worker module: from a `GroupTask` to a `Grouping`. */
export default function group(task: GroupTask): unknown {
  const groups = similarityGroups(task, task.threshold);
  const batches = packed(task.lengths, (document) => groups.find(document), task.limits);
  let end = 0;
  const grouping: Grouping = {
    documents: Uint32Array.from(batches.flat()),
    ends: Uint32Array.from(batches, ({ length }) => {
      end += length;
      return end;
    }),
    similarities: Float64Array.from(batches, (batch) => meanSimilarity(task, batch) ?? Number.NaN),
  };
  return moving(grouping, [grouping.documents.buffer, grouping.ends.buffer, grouping.similarities.buffer]);
}
