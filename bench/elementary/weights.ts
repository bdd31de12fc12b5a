import { elementForms } from '../../src/kernels/elements.ts';
import { type Kernel, kernel } from '../../src/kernels/kernel.ts';
import { productOf } from '../../src/kernels/matmul/matmul.ts';
import { type WeightType, weightLayouts } from '../../src/kernels/weights/layout.ts';
import { weightLoaders } from '../../src/kernels/weights/weights.wgsl.ts';

/** Products of float32 weights -1, 0 and 1 that only add and subtract; f32[rows, outputs]. */
export const addOnlyProduct = productOf(
  'elementary_add_only_product',
  { ...weightLoaders.f32, plus: weightLoaders.ternary.plus },
  weightLayouts.f32,
);

type Dequantise = Kernel<'inputs' | 'outputs', 'weights' | 'scales' | 'values'>;

/** Packed weights as float32; f32[outputs, inputs], inputs in fours. */
export function dequantise(type: WeightType): Dequantise {
  const { elements, load } = weightLoaders[type];
  const { words, scales } = weightLayouts[type];
  return kernel({
    name: `elementary_dequantise.${type}`,
    sizes: { inputs: 'u32', outputs: 'u32' },
    buffers: {
      weights: { access: 'read', elements, scalar: true },
      scales: { access: 'read', elements: 'u32', scalar: true },
      values: { access: 'read_write', elements: 'f32' },
    },
    forms: elementForms<'inputs' | 'outputs'>({
      code: `${load}
      fn groups() -> u32 { return sizes.inputs / 4u; }
      fn element(at: u32) {
        if (at >= sizes.outputs * groups()) { return; }
        let row = at / groups();
        let i = at - row * groups();
        let v = weights4(blockOf(row, i >> 3u), i & 7u);
        values[at] = vec4(scaled(row, v.x), scaled(row, v.y), scaled(row, v.z), scaled(row, v.w));
      }`,
      count: ({ inputs, outputs }) => inputs * outputs,
      aligned: ({ inputs }) => inputs,
    }).filter(({ vectors }) => vectors),
    cost: ({ inputs, outputs }) => ({
      bytes: 4 * outputs * (inputs + words(inputs) + scales(inputs)),
      flops: inputs * outputs,
    }),
  });
}

/** Codes of ternary weights as float32; f32[outputs, inputs], inputs in fours. */
export const ternaryCodes = kernel({
  name: 'elementary_ternary_codes',
  sizes: { inputs: 'u32', outputs: 'u32' },
  buffers: {
    weights: { access: 'read', elements: 'u32', scalar: true },
    scales: { access: 'read', elements: 'u32', scalar: true },
    codes: { access: 'read_write', elements: 'f32' },
  },
  forms: elementForms<'inputs' | 'outputs'>({
    code: `${weightLoaders.ternary.load}
    fn groups() -> u32 { return sizes.inputs / 4u; }
    fn element(at: u32) {
      if (at >= sizes.outputs * groups()) { return; }
      let row = at / groups();
      let i = at - row * groups();
      codes[at] = weights4(blockOf(row, i >> 3u), i & 7u);
    }`,
    count: ({ inputs, outputs }) => inputs * outputs,
    aligned: ({ inputs }) => inputs,
  }).filter(({ vectors }) => vectors),
  cost: ({ inputs, outputs }) => ({
    bytes: 4 * outputs * (inputs + weightLayouts.ternary.words(inputs)),
    flops: inputs * outputs,
  }),
});

const q4K = { access: 'read', elements: 'u32', scalar: true } as const;

/** The 4-bit codes of Q4_K blocks as float32; f32[count]. */
export const q4KCodes = kernel({
  name: 'elementary_q4_k_codes',
  sizes: { count: 'u32' },
  buffers: { weights: q4K, codes: { access: 'read_write', elements: 'f32' } },
  forms: elementForms<'count'>({
    code: `${weightLoaders.q4_k.load}
    fn groups() -> u32 { return sizes.count / WIDTH; }
    fn element(at: u32) {
      if (at >= groups()) { return; }
      var block = blockOf(0u, at >> 3u);
      block.line = vec2(1.0, 0.0);
      codes[at] = weights4(block, at & 7u);
    }`,
    count: ({ count }) => count,
    aligned: ({ count }) => count,
  }).filter(({ vectors }) => vectors),
  cost: ({ count }) => ({ bytes: 4 * count + count / 2, flops: count }),
});

/** Scale and minimum of each 32 values of Q4_K blocks; f32[count / 32] both. */
export const q4KLines = kernel({
  name: 'elementary_q4_k_lines',
  sizes: { count: 'u32' },
  buffers: {
    weights: q4K,
    scales: { access: 'read_write', elements: 'f32' },
    minima: { access: 'read_write', elements: 'f32' },
  },
  forms: elementForms<'count'>({
    code: `${weightLoaders.q4_k.load}
    fn groups() -> u32 { return sizes.count / 4u; }
    fn element(at: u32) {
      if (at >= sizes.count / 32u) { return; }
      let line = blockOf(0u, at).line;
      scales[at] = line.x;
      minima[at] = -line.y;
    }`,
    count: ({ count }) => count / 32,
  }),
  cost: ({ count }) => ({ bytes: (16 / 256) * count + count / 4, flops: count / 16 }),
});
