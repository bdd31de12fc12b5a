import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Gpu } from '../../src/gpu/index.ts';
import { attention, isPossible } from '../../src/kernels/index.ts';
import { runKernel } from '../../src/kernels/runKernel.ts';
import { testGpu } from '../support/gpu.ts';
import { alone, attentionCase, batchOf } from './attentionCases.ts';
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
  attentionCase('a window wider than the rows there are', {
    ...small,
    window: 512,
    sequences: [{ tokens: 100, past: 30 }],
  }),
]);

describe('a sequence', () => {
  let gpu: Gpu;
  beforeAll(async () => {
    gpu = await testGpu();
  });
  afterAll(() => gpu.close());

  it.each(attention(16).forms.map((form) => [form.name, form] as const))(
    'has the bits in company that it has alone, in the form %s',
    async (_, form) => {
      const batch = batchOf({
        ...small,
        window: 40,
        sequences: [
          { tokens: 70, past: 39, ringStart: 11, documents: [25] },
          { tokens: 1, past: 12 },
          { tokens: 97, last: true, documents: [3, 50] },
          { tokens: 66, past: 39, ringStart: 38 },
        ],
      });
      const width = batch.sizes.heads * batch.headDim;
      expect(isPossible(form, gpu.variant, batch.sizes)).toBe(true);
      const outputOf = async ({ sizes, buffers }: typeof batch): Promise<Float32Array> => {
        const output = new Float32Array(sizes.tokens * width);
        return (await runKernel(gpu, attention(16), sizes, { ...buffers, output }, form)).output;
      };
      const together = await outputOf(batch);
      for (const [i, { firstToken, tokens }] of batch.placed.entries()) {
        const own = together.subarray(firstToken * width, (firstToken + tokens) * width);
        expect(await outputOf(alone(batch, i))).toEqual(own.slice());
      }
    },
  );
});

describe('the kernel for heads of one size', () => {
  it('is the same every time', () => {
    expect(attention(32)).toBe(attention(32));
    expect(attention(32).name).toBe('attention.32');
  });

  it.each([0, 1, 7, 258, 2.5])('does not exist for the size %d', (headDim) => {
    expect(() => attention(headDim)).toThrow(RangeError);
  });
});
