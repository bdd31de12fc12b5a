import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Band, bandOf } from '../../../src/model/cpu/bands.ts';

describe('attention band', () => {
  it('shows every token exactly the rows of its window and document', () => {
    const shapes = fc.record({
      tokens: fc.integer({ min: 1, max: 700 }),
      window: fc.integer({ min: 1, max: 300 }),
      carried: fc.integer({ min: 0, max: 400 }),
      documents: fc.option(fc.array(fc.integer({ min: 0, max: 1000 }), { maxLength: 4 }), { nil: undefined }),
    });
    fc.assert(
      fc.property(shapes, ({ tokens, window, carried, documents }) => {
        const past = Math.min(carried, window - 1);
        const firstRows =
          documents &&
          Int32Array.from({ length: tokens }, (_, t) => Math.max(0, ...documents.filter((row) => row <= past + t)));
        const band = bandOf({ tokens, past, window, firstRows });
        for (let query = 0; query < tokens; query++) {
          const own = past + query;
          const first = Math.max(0, own - window + 1, firstRows?.[query] ?? 0);
          expect(rowsSeen(band, query)).toEqual(Array.from({ length: own - first + 1 }, (_, k) => first + k));
          expect(band.queryRows[query]).toBe(query);
        }
        expect(band.queryRows.length).toBe(band.blocks * band.queriesPerBlock);
        expect(Math.max(...band.queryRows)).toBe(tokens - 1);
      }),
      { numRuns: 60 },
    );
  });

  it('costs a short document no more than its length, and a long one no more than its window', () => {
    const short = bandOf({ tokens: 40, past: 0, window: 512 });
    expect([short.blocks, short.queriesPerBlock, short.keyStarts, short.keyEnds]).toEqual([1, 40, [0], [40]]);
    const long = bandOf({ tokens: 2048, past: 511, window: 512 });
    expect([long.blocks, long.queriesPerBlock, long.masks]).toEqual([32, 64, 1]);
    expect(long.keyEnds.map((end, block) => end - long.keyStarts[block]!)).toEqual(long.keyEnds.map(() => 575));
  });

  it('fills the last block up with less than one query for each block', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5000 }), (tokens) => {
        const { blocks, queriesPerBlock } = bandOf({ tokens, past: 0, window: 512 });
        expect(blocks * queriesPerBlock - tokens).toBeLessThan(blocks);
      }),
    );
  });
});

/** The rows that a query sees: keys of its block whose mask is open. */
function rowsSeen(band: Band, query: number): number[] {
  const block = Math.floor(query / band.queriesPerBlock);
  const { keyStarts, keyEnds, maskStarts, maskEnds, maskRows, maskWidth, queriesPerBlock } = band;
  expect(maskEnds[block]! - maskStarts[block]!).toBe(keyEnds[block]! - keyStarts[block]!);
  const at = (maskRows[block]! * queriesPerBlock + (query % queriesPerBlock)) * maskWidth + maskStarts[block]!;
  const keys = Array.from({ length: keyEnds[block]! - keyStarts[block]! }, (_, k) => k);
  return keys.filter((k) => band.mask[at + k] === 0).map((k) => keyStarts[block]! + k);
}
