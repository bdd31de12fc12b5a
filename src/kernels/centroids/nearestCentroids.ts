import { elementForms } from '../elements.ts';
import { kernel } from '../kernel.ts';
import { NEAREST_CENTROIDS } from './centroids.wgsl.ts';

/** What numbers of codebooks that are no zeros have as magnitude at the least, and stay below. */
export const CENTROID_MAGNITUDES = { least: 2 ** -38, most: 2 ** 50 } as const;

/**
 * The nearest of 256 centroids for each part of a row: rows are parts of `dims` numbers, each with a codebook of its own;
 * f32[rows, columns], bound as u32, and f32[columns / dims, 256, dims] to u32[rows, columns / dims].
 *
 * A distance is the sum, from zero, of squared differences in order of the numbers, each operation rounded to float32; of equal
 * ones the first centroid is taken. Numbers of codebooks are 0 or have magnitudes of 2^-38 to 2^50, so that no square is
 * subnormal or overflows, and the result is the same on every device that rounds to the nearest float32. A part with a number
 * that is neither 0 nor of a magnitude from 2^-63 to 2^50 gets 256: it has to be looked at elsewhere. `nothing` is 0.
 */
export const nearestCentroids = kernel({
  name: 'nearest_centroids',
  sizes: { rows: 'u32', columns: 'u32', dims: 'u32', nothing: 'u32' },
  buffers: {
    input: { access: 'read', elements: 'u32' },
    codebooks: { access: 'read', elements: 'f32' },
    codes: { access: 'read_write', elements: 'u32' },
  },
  forms: elementForms<'rows' | 'columns' | 'dims' | 'nothing'>({
    code: NEAREST_CENTROIDS,
    count: ({ rows, columns, dims }) => (rows * columns) / dims,
  }),
  // a difference, a product and a sum for each number of each centroid
  cost: ({ rows, columns, dims }) => ({
    bytes: 4 * (rows * (columns + columns / dims) + 256 * columns),
    flops: 3 * 256 * rows * columns,
  }),
});
