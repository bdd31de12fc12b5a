import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Gpu } from '../../src/gpu/index.ts';
import { attention, isPossible } from '../../src/kernels/index.ts';
import { runKernel } from '../../src/kernels/runKernel.ts';
import { testGpu } from '../support/gpu.ts';
import { alone, batchOf } from './attentionCases.ts';

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
        headDim: 16,
        heads: 3,
        kvHeads: 3,
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
