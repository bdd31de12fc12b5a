import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type BatchLimits, packed } from '../../../src/operators/similarityBatch/packing.ts';

const noGroups = (document: number): number => document;
const limits = (part: Partial<BatchLimits> = {}): BatchLimits => ({
  tokens: 100,
  padded: true,
  documents: 1000,
  ...part,
});
const anyLimits = fc.record({
  tokens: fc.integer({ min: 1, max: 300 }),
  padded: fc.boolean(),
  documents: fc.constantFrom(1, 3, 1000),
});
/** Lengths, and for each document a group: the first document with the same number. */
const grouped = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 120 }), fc.integer({ min: 0, max: 12 })))
  .map((documents) => ({
    lengths: documents.map(([length]) => length),
    groupOf: (document: number): number => documents.findIndex(([, group]) => group === documents[document]?.[1]),
  }));

function cost(lengths: readonly number[], { padded }: BatchLimits): number {
  const sum = lengths.reduce((a, b) => a + b, 0);
  return padded ? lengths.length * Math.max(...lengths) : sum;
}

describe('packed', () => {
  it('puts every document into one batch, within the limits unless it exceeds them alone', () => {
    fc.assert(
      fc.property(grouped, anyLimits, ({ lengths, groupOf }, given) => {
        const batches = packed(lengths, groupOf, given);
        expect(batches.flat().sort((a, b) => a - b)).toEqual([...lengths.keys()]);
        for (const batch of batches) {
          const own = batch.map((document) => lengths[document] ?? 0);
          expect(batch.length === 1 || (cost(own, given) <= given.tokens && batch.length <= given.documents)).toBe(
            true,
          );
        }
      }),
    );
  });

  it('orders batches by their first documents, and documents by groups', () => {
    fc.assert(
      fc.property(grouped, anyLimits, ({ lengths, groupOf }, given) => {
        const batches = packed(lengths, groupOf, given);
        const firsts = batches.map((batch) => Math.min(...batch));
        expect(firsts).toEqual([...firsts].sort((a, b) => a - b));
        for (const batch of batches) {
          expect(batch).toEqual([...batch].sort((a, b) => groupOf(a) - groupOf(b) || a - b));
        }
      }),
    );
  });

  it('fills batches: none could take a document of one that begins with a shorter document', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 120 }), { maxLength: 40 }), anyLimits, (lengths, given) => {
        const batches = packed(lengths, noGroups, given).map((batch) =>
          batch.map((document) => lengths[document] ?? 0),
        );
        for (const batch of batches) {
          const later = batches.filter((one) => Math.max(...one) < Math.max(...batch)).flat();
          for (const document of later) {
            const more = [...batch, document];
            expect(cost(more, given) > given.tokens || more.length > given.documents).toBe(true);
          }
        }
      }),
    );
  });

  it('keeps a group in one batch where it fits, and fills up with others', () => {
    const lengths = [30, 20, 30, 20, 30, 20];
    const groupOf = (document: number): number => (document % 2 === 0 ? 0 : document);
    expect(packed(lengths, groupOf, limits())).toEqual([
      [0, 2, 4],
      [1, 3, 5],
    ]);
    expect(packed([50, 30, 30, 30, 50], (i) => (i === 1 || i === 2 || i === 3 ? 1 : i), limits())).toEqual([
      [0, 4],
      [1, 2, 3],
    ]);
    // behind 40 the two of 30 do not fit, the one of 20 does
    expect(packed([40, 30, 30, 20], (i) => (i === 2 ? 1 : i), limits({ tokens: 80 }))).toEqual([
      [0, 3],
      [1, 2],
    ]);
  });

  it('cuts a group that is larger than a batch, and one whose lengths differ widely where padding counts', () => {
    const one = (): number => 0;
    expect(packed([20, 20, 20, 20, 20, 20, 20], one, limits())).toEqual([
      [0, 1, 2, 3, 4],
      [5, 6],
    ]);
    const alike = (i: number): number => (i === 1 ? 0 : i);
    expect(packed([50, 30, 50, 30], alike, limits())).toEqual([
      [0, 2],
      [1, 3],
    ]);
    expect(packed([50, 30, 50, 30], alike, limits({ padded: false }))).toEqual([
      [0, 1],
      [2, 3],
    ]);
    // what was cut meets again where there is room
    expect(packed([40, 20], one, limits())).toEqual([[0, 1]]);
  });

  it('takes a document beyond the budget by itself, and no documents', () => {
    expect(packed([500, 10, 10], noGroups, limits())).toEqual([[0], [1, 2]]);
    expect(packed([], noGroups, limits())).toEqual([]);
  });

  it('takes time that grows with the documents, however they divide', () => {
    const count = 60_000;
    const lengths = Array.from({ length: count }, (_, i) => 1 + ((i * 7919) % 5000));
    const shapes = [noGroups, () => 0, (i: number) => i - (i % 3), (i: number) => i % 250];
    for (const groupOf of shapes) {
      const begun = performance.now();
      const batches = packed(lengths, groupOf, limits({ tokens: 5001 }));
      expect(batches.reduce((sum, { length }) => sum + length, 0)).toBe(count);
      expect(performance.now() - begun).toBeLessThan(5000);
    }
  });
});
