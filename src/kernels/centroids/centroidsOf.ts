import { elementForms } from '../elements.ts';
import { kernel } from '../kernel.ts';
import { CENTROIDS_OF } from './centroids.wgsl.ts';

/**
 * Rows of centroids: the part `dims * b .. dims * (b + 1)` of row r is the centroid of codebook b that the byte
 * `codes[r, b]` names; bytes packed into u32[words], f32[columns / dims, 256, dims] to f32[rows, columns], floats bound as u32.
 */
export const centroidsOf = kernel({
  name: 'centroids_of',
  sizes: { rows: 'u32', columns: 'u32', dims: 'u32' },
  buffers: {
    codes: { access: 'read', elements: 'u32', scalar: true },
    codebooks: { access: 'read', elements: 'u32' },
    values: { access: 'read_write', elements: 'u32' },
  },
  forms: elementForms<'rows' | 'columns' | 'dims'>({
    code: CENTROIDS_OF,
    count: ({ rows, columns }) => rows * columns,
    aligned: ({ dims }) => dims,
  }),
  // of codebooks that are larger than what is taken, no more is read than that
  cost: ({ rows, columns, dims }) => ({
    bytes: 4 * rows * columns + (rows * columns) / dims + 4 * columns * Math.min(256, rows),
    flops: 0,
  }),
});
