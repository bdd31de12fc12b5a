import { kernel } from '../kernel.ts';
import { rowForms } from '../rows.ts';
import { RMS_NORM, RMS_NORM_FOLD4 } from './rmsNorm.wgsl.ts';

/**
 * Root mean square norm of each row (Zhang and Sennrich 2019): `normed = states / sqrt(mean(states^2) + epsilon) * weight`;
 * f32[rows, columns] and f32[columns] to f32[rows, columns]. Squares are float32: values over 1e19 overflow.
 */
export const rmsNorm = kernel({
  name: 'rms_norm',
  sizes: { rows: 'u32', columns: 'u32', epsilon: 'f32' },
  buffers: {
    states: { access: 'read', elements: 'f32' },
    weight: { access: 'read', elements: 'f32' },
    normed: { access: 'read_write', elements: 'f32' },
  },
  forms: rowForms<'epsilon'>({ input: 'states', sums: ['squares'], code: RMS_NORM, fold4: RMS_NORM_FOLD4 }),
  cost: ({ rows, columns }) => ({ bytes: 4 * columns * (2 * rows + 1), flops: 4 * rows * columns }),
});
