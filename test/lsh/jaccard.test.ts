import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { jaccard } from '../../src/lsh/jaccard.ts';
import type { Shingle } from '../../src/lsh/shingle.ts';
import { labelledDocuments, labelledPairs } from './nearDuplicates.ts';

/** Sets of strings: what the words say. */
function plain(a: string, b: string, { of, length }: Shingle): number {
  const set = (text: string): Set<string> => {
    const units = of === 'bytes' ? [...text] : text.split(/[ \t-\r]+/).filter((word) => word !== '');
    return new Set(units.slice(length - 1).map((_, i) => JSON.stringify(units.slice(i, i + length))));
  };
  const [setA, setB] = [set(a), set(b)];
  const both = [...setA].filter((shingle) => setB.has(shingle)).length;
  return both === 0 ? 0 : both / (setA.size + setB.size - both);
}

describe('the exact Jaccard similarity', () => {
  it('is the share of common shingles', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', ' ', '\n'), maxLength: 60 });
    const shingle = fc.record({
      of: fc.constantFrom('bytes' as const, 'words' as const),
      length: fc.integer({ min: 1, max: 7 }),
    });
    fc.assert(
      fc.property(text, text, shingle, (a, b, shingle) => {
        expect(jaccard(Buffer.from(a), Buffer.from(b), shingle)).toBe(plain(a, b, shingle));
      }),
      { numRuns: 500 },
    );
  });

  it('is what the labelled set says', () => {
    const texts = new Map(labelledDocuments().map(({ id, text }) => [id, Buffer.from(text)]));
    const none = new Uint8Array();
    for (const { a, b, jaccard: known } of labelledPairs().filter((_, i) => i % 7 === 0)) {
      expect(jaccard(texts.get(a) ?? none, texts.get(b) ?? none)).toBeCloseTo(known, 6);
    }
  });

  it('is 0 for what is shorter than a shingle, even twice the same', () => {
    expect(jaccard(Buffer.from('abcd'), Buffer.from('abcd'))).toBe(0);
    expect(jaccard(new Uint8Array(), new Uint8Array(), { of: 'words', length: 1 })).toBe(0);
  });
});
