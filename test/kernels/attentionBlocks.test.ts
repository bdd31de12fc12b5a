import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BLOCK_QUERIES, blockTable, sequenceTable, visiblePairs } from '../../src/kernels/attention/blocks.ts';

describe('the table of blocks', () => {
  it('has every query of every sequence once, in blocks that begin anew with each sequence', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(300), { maxLength: 8 }), (counts) => {
        const blocks = blockTable(counts.map((tokens) => ({ tokens })));
        const seen = counts.map(() => 0);
        for (let at = 0; at < blocks.length; at += 2) {
          const [sequence, first] = [blocks[at]!, blocks[at + 1]!];
          expect(first).toBe(seen[sequence]);
          seen[sequence] = Math.min(first + BLOCK_QUERIES, counts[sequence]!);
        }
        expect(seen).toEqual(counts);
      }),
    );
  });
});

describe('the table of sequences', () => {
  it('has six words for each, and no slot for one that carries nothing', () => {
    const table = sequenceTable([
      { firstToken: 0, tokens: 5, past: 3, slot: 2, ringStart: 1 },
      { firstToken: 5, tokens: 1, past: 0 },
    ]);
    expect([...table]).toEqual([0, 5, 3, 2, 1, 0, 5, 1, 0, 0xffffffff, 0, 0]);
  });
});

describe('the pairs that see each other', () => {
  it('are those of the window, within a document', () => {
    const firstRows = Uint32Array.of(0, 0, 4, 4, 4);
    // rows 2..6 see 0-2, 1-3, 4, 4-5, 4-6
    expect(visiblePairs([{ firstToken: 0, tokens: 5, past: 2 }], 3, firstRows)).toBe(3 + 3 + 1 + 2 + 3);
  });
});
