import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lowerBound, RANGE_BITS, sortedByRange } from '../../../src/lsh/corpus/keyBlock.ts';
import { randomNumbers } from '../texts.ts';

const word = fc.oneof(
  fc.constantFrom(0, 0xffff, 0x10000, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1),
  fc.nat({ max: 2 ** 32 - 1 }),
);
const entries = fc.array(fc.tuple(word, word, word), { maxLength: 60 });

/** The language's own sort is stable. */
const byUpperBits = (list: readonly [number, number, number][]) =>
  list.toSorted(([a], [b]) => Math.floor(a / 2 ** 16) - Math.floor(b / 2 ** 16));

describe('sortedByRange', () => {
  it('is the stable sort by the upper 16 bits', () => {
    fc.assert(
      fc.property(entries, (list) => {
        expect([...sortedByRange(Uint32Array.from(list.flat()))]).toEqual(byUpperBits(list).flat());
      }),
    );
  });

  it('leaves what lies beside the entries in their buffer', () => {
    const buffer = Uint32Array.of(9, 9, 9, 2 << 16, 1, 1, 1 << 16, 2, 2, 8, 8, 8);
    expect([...sortedByRange(buffer.subarray(3, 9))]).toEqual([1 << 16, 2, 2, 2 << 16, 1, 1]);
    expect([...buffer.subarray(0, 3), ...buffer.subarray(9)]).toEqual([9, 9, 9, 8, 8, 8]);
  });

  it('sorts a hundred thousand', () => {
    const next = randomNumbers(1);
    const list = Array.from({ length: 100_000 }, (_, i): [number, number, number] => [next(), next(), i]);
    const sorted = sortedByRange(Uint32Array.from(list.flat()));
    const expected = byUpperBits(list);
    expect(expected.every((entry, i) => entry.every((value, j) => sorted[3 * i + j] === value))).toBe(true);
  });
});

describe('lowerBound', () => {
  it('gives the first entry of a range, and the end behind the last one', () => {
    fc.assert(
      fc.property(fc.array(word), fc.integer({ min: 0, max: 2 ** RANGE_BITS }), (words, range) => {
        const highs = words.toSorted((a, b) => a - b);
        const found = highs.findIndex((high) => Math.floor(high / 2 ** 16) >= range);
        expect(lowerBound(highs.length, range, (i) => highs[i] ?? 0)).toBe(found < 0 ? highs.length : found);
      }),
    );
  });
});
