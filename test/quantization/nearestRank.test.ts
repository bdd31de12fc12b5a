import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nearestRank } from '../../src/quantization/nearestRank.ts';

const upTo = (count: number): Float32Array => Float32Array.from({ length: count }, (_, i) => count - i);

describe('nearestRank', () => {
  it.each([
    [1000, 99.9, 999],
    [2000, 99.9, 1998],
    [10, 90, 9],
    [10, 90.1, 10],
    [3, 100, 3],
    [3, 0.001, 1],
  ])('of the numbers 1 to %i, percentile %d is %i', (count, percentile, wanted) => {
    expect(nearestRank(upTo(count), percentile)).toBe(wanted);
  });

  it('is exact for every tenth of a percent', () => {
    const tenths = fc.integer({ min: 1, max: 1000 });
    fc.assert(
      fc.property(tenths, fc.integer({ min: 1, max: 5000 }), (tenth, count) => {
        expect(nearestRank(upTo(count), tenth / 10)).toBe(Math.floor((tenth * count + 999) / 1000));
      }),
      { numRuns: 500 },
    );
  });

  it('is 0 of nothing', () => {
    expect(nearestRank(new Float32Array(), 50)).toBe(0);
  });
});
