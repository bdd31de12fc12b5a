import { elementForms } from '../../src/kernels/elements.ts';
import { kernel } from '../../src/kernels/kernel.ts';

const floats = { access: 'read', elements: 'f32' } as const;

/** Squared distances of each part of a row from 256 centroids of its own; f32[rows, columns / dims, 256]. */
export const distances = kernel({
  name: 'elementary_distances',
  sizes: { rows: 'u32', columns: 'u32', dims: 'u32' },
  buffers: { x: floats, codebooks: floats, y: { access: 'read_write', elements: 'f32' } },
  forms: elementForms<'rows' | 'columns' | 'dims'>({
    code: `fn element(at: u32) {
      let parts = sizes.columns / sizes.dims;
      let part = at / 256u;
      if (part >= sizes.rows * parts) { return; }
      let base = (part % parts * 256u + at % 256u) * sizes.dims;
      var sum = 0.0;
      for (var i = 0u; i < sizes.dims; i++) {
        let apart = x[part * sizes.dims + i] - codebooks[base + i];
        sum += apart * apart;
      }
      y[at] = sum;
    }`,
    count: ({ rows, columns, dims }) => ((rows * columns) / dims) * 256,
  }),
  cost: ({ rows, columns, dims }) => ({
    bytes: 4 * columns * (rows + 256) + ((4 * rows * columns) / dims) * 256,
    flops: 3 * 256 * rows * columns,
  }),
});

/** Where the least number of each row lies, the first of them; f32[rows, 256] to u32[rows]. */
export const leastOfRows = kernel({
  name: 'elementary_least_of_rows',
  sizes: { rows: 'u32' },
  buffers: { x: floats, y: { access: 'read_write', elements: 'u32' } },
  forms: elementForms<'rows'>({
    code: `fn element(at: u32) {
      if (at >= sizes.rows) { return; }
      var found = 0u;
      var least = x[at * 256u];
      for (var i = 1u; i < 256u; i++) {
        if (x[at * 256u + i] < least) {
          least = x[at * 256u + i];
          found = i;
        }
      }
      y[at] = found;
    }`,
    count: ({ rows }) => rows,
  }),
  cost: ({ rows }) => ({ bytes: 4 * 257 * rows, flops: 255 * rows }),
});

/** Rows of a table of all codebooks that bytes name; u32[count], four bytes a word. */
export const centroidRows = kernel({
  name: 'elementary_centroid_rows',
  sizes: { count: 'u32', books: 'u32' },
  buffers: { x: { access: 'read', elements: 'u32' }, y: { access: 'read_write', elements: 'u32' } },
  forms: elementForms<'count' | 'books'>({
    code: `fn element(at: u32) {
      if (at >= sizes.count) { return; }
      y[at] = at % sizes.books * 256u + ((x[at / 4u] >> (8u * (at % 4u))) & 255u);
    }`,
    count: ({ count }) => count,
  }),
  cost: ({ count }) => ({ bytes: 5 * count, flops: 0 }),
});
