import { lastValueFrom, toArray } from 'rxjs';
import { pull } from '../../../src/flow/index.ts';
import type { Duplicate } from '../../../src/operators/dedup.ts';
import { type DedupVectorsOptions, dedupVectors } from '../../../src/operators/dedupVectors.ts';
import type { Patches } from '../../../src/records.ts';
import { segmentOf } from '../segments.ts';

const NONE = new Float32Array(0);

/** One document as patches of so many bytes each, all with the same embedding, in one value each of so many patches. */
export function patchesOf(
  id: string,
  embeddings: readonly Float32Array[],
  { length = 32, perValue = embeddings.length }: { readonly length?: number; readonly perValue?: number } = {},
): Patches[] {
  const segment = segmentOf(new Uint8Array(length * embeddings.length), id);
  const values: Patches[] = [];
  for (let first = 0; first < embeddings.length; first += perValue) {
    const some = embeddings.slice(first, first + perValue);
    values.push({
      segment,
      offset: first * length,
      bytes: segment.bytes.subarray(first * length, (first + some.length) * length),
      last: first + some.length === embeddings.length,
      lengths: new Int32Array(some.length).fill(length),
      embeddings: Float32Array.from(some.flatMap((vector) => [...vector])),
      dim: embeddings[0]?.length ?? 0,
      prominence: NONE,
      entropy: NONE,
      coherence: NONE,
      entropies: NONE,
      norms: NONE,
    });
  }
  return values;
}

export interface Outcome {
  readonly values: readonly Patches[];
  readonly kept: readonly string[];
  readonly duplicates: readonly Duplicate[];
}

/** What the operator hands on, and what it drops. */
export async function deduplicated(values: readonly Patches[], options: DedupVectorsOptions = {}): Promise<Outcome> {
  const duplicates: Duplicate[] = [];
  const onDuplicate = (duplicate: Duplicate): void => {
    duplicates.push(duplicate);
  };
  const flow = pull(() => values.map((value) => [value])).pipe(dedupVectors({ ...options, onDuplicate }), toArray());
  const left = await lastValueFrom(flow);
  return { values: left, kept: [...new Set(left.map(({ segment }) => segment.document.id))], duplicates };
}
