import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BandIndex, type BandIndexOptions } from '../../src/lsh/bandIndex.ts';
import { ones } from '../../src/lsh/bitSignature.ts';

/** Words in which few bits vary, so that bands meet often. */
const signature = fc
  .array(fc.integer({ min: 0, max: 0xffff }), { minLength: 3, maxLength: 3 })
  .map((words) => Uint16Array.from(words, (word) => word & 0b1000_0001_0001_0001));

const bitOf = (words: Uint16Array, bit: number): number => ((words[bit >>> 4] ?? 0) >>> (bit & 15)) & 1;
const bits = (words: Uint16Array): number[] => Array.from({ length: 48 }, (_, bit) => bitOf(words, bit));

describe('an index of bits', () => {
  it('finds what has all bits of a band in common, wherever bands begin, and says how many bits are equal', () => {
    const banding = fc.constantFrom({ bands: 3, rows: 16 }, { bands: 6, rows: 7 }, { bands: 2, rows: 21 });
    fc.assert(
      fc.property(fc.array(signature, { maxLength: 30 }), banding, (signatures, { bands, rows }) => {
        const index = new BandIndex({ bits: 48, banding: { bands, rows }, members: 100 });
        for (const [id, of] of signatures.entries()) {
          const wanted = signatures.slice(0, id).flatMap((other, number) => {
            const equal = bits(other).map((bit, i) => bit === bits(of)[i]);
            const found = Array.from({ length: bands }, (_, band) =>
              equal.slice(band * rows, (band + 1) * rows).every(Boolean),
            ).some(Boolean);
            return found ? [{ id: number, similarity: equal.filter(Boolean).length / 48 }] : [];
          });
          const matches = index.matches(of);
          expect(matches.map((match) => match.id)).toEqual(wanted.map((match) => match.id));
          for (const [i, match] of matches.entries()) expect(match.similarity).toBeCloseTo(wanted[i]!.similarity, 12);
          index.add(id, of);
        }
      }),
    );
  });

  it('finds all of many again while it grows', () => {
    const index = new BandIndex({ bits: 64, banding: { bands: 2, rows: 32 } });
    const words = (id: number): Uint16Array => Uint16Array.from([id, id >>> 16, ~id, 7]);
    for (let id = 0; id < 40_000; id++) index.add(id, words(id));
    for (let id = 0; id < 40_000; id += 7) {
      expect(index.matches(words(id), 1)).toEqual([{ id, similarity: 1 }]);
    }
  });

  it('takes two bytes for sixteen bits, four for the number and eight a band', () => {
    expect(new BandIndex({ bits: 256, bytes: 164_000 }).documents).toBe(1000);
    expect(new BandIndex({ bits: 256, banding: { bands: 32, rows: 8 }, bytes: 292_000 }).documents).toBe(1000);
  });

  it.each<BandIndexOptions>([
    { bits: 0 },
    { bits: 40 },
    { bits: 1 << 15 },
    { bits: 64, banding: { bands: 5, rows: 16 } },
    { bits: 64, bytes: 80 },
  ])('is refused where it cannot be: %j', (options) => {
    expect(() => new BandIndex(options)).toThrow(expect.objectContaining({ code: expect.stringMatching(/^BAD_/) }));
  });

  it('refuses signatures of another length', () => {
    expect(() => new BandIndex({ bits: 64 }).add(0, new Uint16Array(5))).toThrow(RangeError);
  });
});

it('counts the bits of every word', () => {
  for (let word = 0; word <= 0xffff; word++) {
    if (ones(word) !== word.toString(2).replaceAll('0', '').length) throw new Error(`${word}: ${ones(word)}`);
  }
});
