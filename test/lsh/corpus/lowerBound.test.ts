import fc from 'fast-check';
import { expect, it } from 'vitest';
import { lowerBound } from '../../../src/lsh/corpus/lowerBound.ts';

it('lowerBound gives the first place that is not below a value, and the end behind the last one', () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 20 })), fc.nat({ max: 21 }), (numbers, least) => {
      const sorted = numbers.toSorted((a, b) => a - b);
      const found = sorted.findIndex((number) => number >= least);
      expect(lowerBound(sorted.length, least, (i) => sorted[i] ?? 0)).toBe(found < 0 ? sorted.length : found);
    }),
  );
});
