import { kernel } from '../kernel.ts';
import { rowForms } from '../rows.ts';
import { quantiseForms } from './forms.ts';
import { QUANTISE, QUANTISE_BLOCKS, QUANTISE_BLOCKS_FOLD4 } from './quantise.wgsl.ts';

/**
 * Quantises blocks to `bits` bits, 1 to 16, each over its own range: with `scales` the largest magnitude of a block,
 * `codes = round(clip(input / scales, -1, 1) * levels)`, half to even, and `values = codes / levels * scales`, with
 * `levels = 2^(bits - 1) - 1`; f32[rows, columns], a block to a row, to f32[rows], f32[rows, columns] and i32[rows, columns].
 * Codes and scales are the same on every device, values but for a last bit or two. For that, the quotient is the float32 product of the value with the float32
 * next to 1 / scales: a code can be another than the nearest only where the exact one lies within 0.003 of a half. With one
 * bit all codes and values are 0; so are those of a block, and its scale, whose largest magnitude is below 2^-126.
 * Inputs are finite.
 *
 * A dispatch with other bits throws RangeError.
 */
export const quantiseBlocks = kernel({
  name: 'quantise_blocks',
  sizes: { rows: 'u32', columns: 'u32', bits: 'u32' },
  buffers: {
    input: { access: 'read', elements: 'f32' },
    scales: { access: 'read_write', elements: 'f32', scalar: true },
    values: { access: 'read_write', elements: 'f32' },
    codes: { access: 'read_write', elements: 'i32' },
  },
  forms: quantiseForms(
    rowForms<'bits'>({
      input: 'input',
      sums: ['largest'],
      code: [QUANTISE, QUANTISE_BLOCKS].join('\n'),
      fold4: QUANTISE_BLOCKS_FOLD4,
    }),
  ),
  // a magnitude and a comparison; three products; clipped twice, multiplied, rounded; two products, a sum and a product
  cost: ({ rows, columns }) => ({ bytes: 4 * rows * (3 * columns + 1), flops: 13 * rows * columns }),
});
