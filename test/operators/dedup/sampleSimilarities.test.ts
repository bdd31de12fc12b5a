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
  it('are those of pairs that are not related', () => {
    const [pair = 1, ...others] = sampleSimilarities(related(60), shingle);
    expect(pair).toBeLessThan(0.3);
    expect(others).toEqual([]);
  });

  it('are not looked for without end where all are related', () => {
    expect(sampleSimilarities(related(64), shingle)).toEqual([]);
  });

  it('pass over what holds no bytes', () => {
    expect(sampleSimilarities([undefined, 7, { bytes: Buffer.alloc(0) }, { bytes: x }], shingle)).toEqual([]);
  });
});
