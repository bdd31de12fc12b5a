import { kernel } from '../kernel.ts';
import { rowForms } from '../rows.ts';
import { L2_NORM, L2_NORM_FOLD4 } from './l2Norm.wgsl.ts';

/**
 * Euclidean length of each row: `norms[r] = sqrt(sum states[r]^2)`; f32[rows, columns] to f32[rows], reading the states
 * once. Squares are summed in float32 as they are: a row longer than 1.8e19 gives infinity, and values under 1e-19 count
 * as zero.
 */
export const l2Norm = kernel({
  name: 'l2_norm',
  sizes: { rows: 'u32', columns: 'u32' },
  buffers: {
    states: { access: 'read', elements: 'f32' },
    norms: { access: 'read_write', elements: 'f32', scalar: true },
  },
  forms: rowForms({ input: 'states', sums: ['squares'], code: L2_NORM, fold4: L2_NORM_FOLD4 }),
  cost: ({ rows, columns }) => ({ bytes: 4 * rows * (columns + 1), flops: 2 * rows * columns }),
});
