import { jaccard } from '../../lsh/jaccard.ts';
import type { Shingle } from '../../lsh/shingle.ts';

const PAIRS = 1000;
/** Where all are related, no more of them tell that. */
const MOST_COMPARED = 2 * PAIRS;
/** Of a document: what lies behind tells no more. */
const MOST_BYTES = 32 << 10;
/** What is more alike is no unrelated pair. */
const RELATED = 0.3;

/** What pairs of a sample are like. */
export interface SampledPairs {
  readonly compared: number;
  /** Similarities of those that are not related. */
  readonly unrelated: readonly number[];
  /** Pairs from the threshold on. */
  readonly alike: number;
}

/** Exact similarities of pairs of values, each value with those that follow it in the sample. */
export function sampleSimilarities(sample: readonly unknown[], shingle: Shingle, threshold: number): SampledPairs {
  const texts = sample.flatMap((value) => bytesOf(value) ?? []).map((bytes) => bytes.subarray(0, MOST_BYTES));
  const unrelated: number[] = [];
  let compared = 0;
  let alike = 0;
  const isEnough = (): boolean => unrelated.length === PAIRS || compared === MOST_COMPARED;
  for (let apart = 1; apart < texts.length && !isEnough(); apart++) {
    for (let i = 0; i + apart < texts.length && !isEnough(); i++) {
      const [a, b] = [texts[i], texts[i + apart]];
      if (a === undefined || b === undefined) continue;
      compared++;
      const similarity = jaccard(a, b, shingle);
      if (similarity < RELATED) unrelated.push(similarity);
      if (similarity >= threshold) alike++;
    }
  }
  return { compared, unrelated, alike };
}

function bytesOf(value: unknown): Uint8Array | undefined {
  const { bytes } = (value ?? {}) as { bytes?: unknown };
  return bytes instanceof Uint8Array && bytes.length > 0 ? bytes : undefined;
}
