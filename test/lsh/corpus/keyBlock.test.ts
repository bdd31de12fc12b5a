import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RANGE_BITS, rangeStart, sortedByRange } from '../../../src/lsh/corpus/keyBlock.ts';
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

describe('rangeStart', () => {
  const whole = 2 ** RANGE_BITS;
  /** Counts the entries that were read. */
  function startIn(highs: Uint32Array, range: number): { readonly place: number; readonly reads: number[] } {
    const reads: number[] = [];
    const place = rangeStart(highs.length, range, (first, end) => {
      reads.push(end - first);
      return Uint32Array.from({ length: 3 * (end - first) }, (_, i) => (i % 3 === 0 ? (highs[first + i / 3] ?? 0) : 7));
    });
    return { place, reads };
  }
  const firstFrom = (highs: Uint32Array, range: number): number => {
    const found = highs.findIndex((high) => Math.floor(high / 2 ** (32 - RANGE_BITS)) >= range);
    return found < 0 ? highs.length : found;
  };

  it('is the first entry of a range, whatever the keys', () => {
    const range = fc.oneof(fc.constantFrom(0, 1, 2 ** 15, whole - 1, whole), fc.nat({ max: whole }));
    const many = fc.tuple(fc.array(word, { maxLength: 40 }), fc.nat({ max: 2000 }), fc.nat({ max: 2000 }));
    fc.assert(
      fc.property(many, range, ([words, low, high], asked) => {
        const same = (count: number, value: number): number[] => new Array<number>(count).fill(value);
        const highs = Uint32Array.from([...words, ...same(low, words[0] ?? 0), ...same(high, words[1] ?? 0)]).sort();
        expect(startIn(highs, asked).place).toBe(firstFrom(highs, asked));
      }),
      { numRuns: 300 },
    );
  });

  it('is found by one read of a small part where keys are spread evenly', () => {
    const next = randomNumbers(3);
    const highs = Uint32Array.from({ length: 100_000 }, next).sort();
    for (let range = 0; range <= whole; range += whole / 64) {
      const { place, reads } = startIn(highs, range);
      expect(place).toBe(firstFrom(highs, range));
      expect(reads).toHaveLength(1);
      expect(reads[0]).toBeLessThan(2000);
    }
  });
});
