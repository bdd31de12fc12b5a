import { describe, expect, it } from 'vitest';
import { sampleSimilarities } from '../../../src/operators/dedup/sampleSimilarities.ts';
import { relatedTexts } from '../../lsh/texts.ts';

const shingle = { of: 'bytes', length: 5 } as const;
const [x] = relatedTexts(1, 200, 0);
const [y] = relatedTexts(2, 200, 0);

/** Of these documents the first and the last alone are not related, and no pair is compared behind that one. */
const related = (count: number) =>
  [x, ...Array.from({ length: count - 2 }, () => Buffer.concat([x, y])), y].map((bytes) => ({ bytes }));

describe('similarities of a sample', () => {
  it('are those of pairs that are not related; the others are counted', () => {
    const { compared, unrelated, alike } = sampleSimilarities(related(60), shingle, 0.9);
    expect(unrelated).toHaveLength(1);
    expect(unrelated[0]).toBeLessThan(0.3);
    expect(compared).toBe((60 * 59) / 2);
    expect(alike).toBe((58 * 57) / 2);
  });

  it('are not looked for without end where all are related', () => {
    expect(sampleSimilarities(related(64), shingle, 0.7)).toMatchObject({ compared: 2000, unrelated: [] });
  });

  it('pass over what holds no bytes', () => {
    const sample = [undefined, 7, { bytes: Buffer.alloc(0) }, { bytes: x }];
    expect(sampleSimilarities(sample, shingle, 0.7)).toEqual({ compared: 0, unrelated: [], alike: 0 });
  });
});
