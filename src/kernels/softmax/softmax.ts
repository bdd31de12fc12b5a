import { kernel } from '../kernel.ts';
import { rowForms } from '../rows.ts';
import { SOFTMAX, SOFTMAX_FOLD4 } from './softmax.wgsl.ts';

/**
 * Softmax of each row: `probabilities[r] = e^(logits[r] - m) / sum e^(logits[r] - m)`, m the largest; f32[rows, columns] to
 * the same. Maximum and sum are found in one reading (Milakov and Gimelshein 2018). A logit of minus infinity, or any
 * below -1e36, is masked: its probability is 0. A row whose logits are all masked is all zeros. Other logits are finite.
 */
export const softmax = kernel({
  name: 'softmax',
  sizes: { rows: 'u32', columns: 'u32' },
  buffers: {
    logits: { access: 'read', elements: 'f32' },
    probabilities: { access: 'read_write', elements: 'f32' },
  },
  forms: rowForms({ input: 'logits', sums: ['largest', 'mass'], code: SOFTMAX, fold4: SOFTMAX_FOLD4 }),
  // a logit is compared, shifted, raised and added, and shifted, raised and multiplied again
  cost: ({ rows, columns }) => ({ bytes: 8 * rows * columns, flops: 7 * rows * columns }),
});
