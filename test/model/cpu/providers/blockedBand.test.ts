import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type BlockedBand,
  blockedBandOf,
  largestTensorBytes,
} from '../../../../src/model/cpu/providers/blockedBand.ts';
import { readConfig } from '../../../../src/model/index.ts';
import { goldenModel } from '../../golden.ts';

describe('attention in blocks', () => {
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
        const band = blockedBandOf({ tokens, past, window, firstRows });
        for (let query = 0; query < tokens; query++) {
          const own = past + query;
          const first = Math.max(0, own - window + 1, firstRows?.[query] ?? 0);
          expect(rowsSeen(band, query)).toEqual(Array.from({ length: own - first + 1 }, (_, k) => first + k));
          expect(band.queryRows[query]).toBe(query);
        }
        // a query that only fills a block up sees something, so that its weights are numbers
        for (let query = tokens; query < band.queryRows.length; query++) {
          expect(rowsSeen(band, query).length).toBeGreaterThan(0);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('has no tensor larger than what it says beforehand', () => {
    const config = readConfig(goldenModel('w24-bf16'));
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3000 }), fc.integer({ min: 0, max: 23 }), (tokens, past) => {
        const { blocks, queriesPerBlock, keysPerBlock } = blockedBandOf({ tokens, past, window: config.window });
        const scores = 4 * config.heads * blocks * queriesPerBlock * keysPerBlock;
        expect(scores).toBeLessThanOrEqual(largestTensorBytes(config, tokens));
      }),
      { numRuns: 50 },
    );
  });
});

/** The rows that a query sees: keys of its block whose mask is open. */
function rowsSeen({ queriesPerBlock, keysPerBlock, keyRows, mask, masks }: BlockedBand, query: number): number[] {
  const block = Math.floor(query / queriesPerBlock);
  const at = ((masks === 1 ? 0 : block) * queriesPerBlock + (query % queriesPerBlock)) * keysPerBlock;
  const keys = Array.from({ length: keysPerBlock }, (_, k) => k);
  return keys.filter((k) => mask[at + k] === 0).map((k) => keyRows[block * keysPerBlock + k]!);
}
