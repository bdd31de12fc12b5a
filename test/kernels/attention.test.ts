import { describe, expect, it } from 'vitest';
import { attention } from '../../src/kernels/index.ts';
import { attentionCase } from './attentionCases.ts';
import { conforms } from './conformance.ts';

const small = { headDim: 16, heads: 3, kvHeads: 3 };

conforms(attention(16), [
  attentionCase('a token that sees itself only', { ...small, window: 1, sequences: [{ tokens: 1, last: true }] }),
  attentionCase('a window of two, the ring one row', {
    ...small,
    window: 2,
    sequences: [{ tokens: 5, past: 1 }, { tokens: 70 }],
  }),
  attentionCase('rings that are empty, begun, full and turned', {
    ...small,
    window: 24,
    sequences: [
      { tokens: 130 },
      { tokens: 1, past: 7 },
      { tokens: 40, past: 23, ringStart: 17 },
      { tokens: 1, past: 23, ringStart: 22 },
      { tokens: 65, past: 5, ringStart: 21 },
      { tokens: 3, last: true },
    ],
  }),
  attentionCase('documents that do not see each other', {
    ...small,
    window: 100,
    sequences: [
      { tokens: 150, documents: [1, 2, 50, 128] },
      { tokens: 90, past: 60, ringStart: 90, documents: [10, 60, 61, 140] },
    ],
  }),
  attentionCase('heads that share keys, and scores with a cap', {
    headDim: 16,
    heads: 6,
    kvHeads: 2,
    window: 33,
    softCap: 3,
    sequences: [{ tokens: 64, past: 20, ringStart: 30 }, { tokens: 33 }],
  }),
  attentionCase(
    'scores of several thousands',
    { ...small, window: 30, spread: 60, sequences: [{ tokens: 70, past: 29, ringStart: 3 }] },
    0.01,
  ),
  attentionCase('a window wider than the rows there are', {
    ...small,
    window: 512,
    sequences: [{ tokens: 100, past: 30 }],
  }),
]);

describe('the kernel for heads of one size', () => {
  it('is the same every time', () => {
    expect(attention(32)).toBe(attention(32));
    expect(attention(32).name).toBe('attention.32');
  });

  it.each([0, 1, 7, 258, 2.5])('does not exist for the size %d', (headDim) => {
    expect(() => attention(headDim)).toThrow(RangeError);
  });
});
