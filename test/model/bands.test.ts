import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bandOf } from '../../src/model/bands.ts';

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
        for (let query = 0; query < band.blocks * band.queriesPerBlock; query++) {
          const block = Math.floor(query / band.queriesPerBlock);
          const maskBlock = band.maskBlocks === 1 ? 0 : block;
          const at = (maskBlock * band.queriesPerBlock + (query % band.queriesPerBlock)) * band.keysPerBlock;
          const rows = band.keyRows.subarray(block * band.keysPerBlock, (block + 1) * band.keysPerBlock);
          const seen = [...rows].filter((_, k) => band.mask[at + k] === 0);
          expect(seen.length).toBeGreaterThan(0);
          if (query >= tokens) continue;
          const own = past + query;
          const first = Math.max(0, own - window + 1, firstRows?.[query] ?? 0);
          expect(seen).toEqual(Array.from({ length: own - first + 1 }, (_, k) => first + k));
          expect(band.queryRows[query]).toBe(query);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('costs a short document no more than its length, and a long one no more than its window', () => {
    const short = bandOf({ tokens: 40, past: 0, window: 512 });
    expect([short.blocks, short.queriesPerBlock, short.keysPerBlock]).toEqual([1, 40, 40]);
    const long = bandOf({ tokens: 2048, past: 511, window: 512 });
    expect([long.blocks, long.queriesPerBlock, long.keysPerBlock, long.maskBlocks]).toEqual([16, 128, 639, 1]);
  });
});
