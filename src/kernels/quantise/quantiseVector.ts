import { elementForms } from '../elements.ts';
import { kernel } from '../kernel.ts';
import { quantiseForms } from './forms.ts';
import { QUANTISE, QUANTISE_VECTOR } from './quantise.wgsl.ts';

/**
 * Quantises a vector to `bits` bits, 1 to 16, over one range: `codes = round(clip(input, -1, 1) * levels)`, half to even, and
 * `values = codes / levels`, with `levels = 2^(bits - 1) - 1`; f32[count] to f32[count] and i32[count]. Codes are
 * the same on every device; values are the float32 next to the quotient, or off by its last bit where a compiler puts sums
 * together in another way (Mesa's does). With one bit there are no levels but 0: all codes and values are 0. What is no number
 * becomes any code.
 *
 * A dispatch with other bits throws RangeError.
 */
export const quantiseVector = kernel({
  name: 'quantise_vector',
  sizes: { count: 'u32', bits: 'u32' },
  buffers: {
    input: { access: 'read', elements: 'f32' },
    values: { access: 'read_write', elements: 'f32' },
    codes: { access: 'read_write', elements: 'i32' },
  },
  forms: quantiseForms(
    elementForms<'count' | 'bits'>({
      code: [QUANTISE, QUANTISE_VECTOR].join('\n'),
      count: ({ count }) => count,
      aligned: ({ count }) => count,
    }),
  ),
  // clipped twice, multiplied, rounded, two products and a sum
  cost: ({ count }) => ({ bytes: 12 * count, flops: 7 * count }),
});
