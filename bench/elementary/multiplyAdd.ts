import { elementForms } from '../../src/kernels/elements.ts';
import { kernel } from '../../src/kernels/kernel.ts';

/** Vectors that an invocation has in work, so that no multiply-add waits for the one before it. */
const CHAINS = 8;
const STEPS = 256;

/** Multiply-adds of float32 on values in registers: the measure of what arithmetic can do. */
export const multiplyAdd = kernel({
  name: 'elementary_multiply_add',
  sizes: { count: 'u32', factor: 'f32' },
  buffers: { y: { access: 'read_write', elements: 'f32' } },
  forms: elementForms<'count' | 'factor'>({
    code: `fn element(at: u32) {
      if (at >= sizes.count / WIDTH) { return; }
      var sums: array<vec4<f32>, ${CHAINS}>;
      for (var i = 0u; i < ${CHAINS}u; i++) { sums[i] = vec4(f32(at + i)); }
      for (var step = 0u; step < ${STEPS}u; step++) {
        ${Array.from({ length: CHAINS }, (_, i) => `sums[${i}] = fma(sums[${i}], vec4(sizes.factor), vec4(1.0));`).join('\n        ')}
      }
      var all = sums[0];
      for (var i = 1u; i < ${CHAINS}u; i++) { all += sums[i]; }
      y[at] = all;
    }`,
    count: ({ count }) => count,
    aligned: ({ count }) => count,
  }).slice(0, 1),
  // each vector of four results is the sum of all chains
  cost: ({ count }) => ({ bytes: 4 * count, flops: 2 * STEPS * CHAINS * count }),
});
