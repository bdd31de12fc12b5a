import { elementForms } from '../../src/kernels/elements.ts';
import { kernel } from '../../src/kernels/kernel.ts';

const read = { access: 'read', elements: 'f32' } as const;
const written = { access: 'read_write', elements: 'f32' } as const;

/** The first columns of each row: f32[rows, width] to f32[rows, columns]. */
export const takeColumns = kernel({
  name: 'elementary_take_columns',
  sizes: { rows: 'u32', columns: 'u32', width: 'u32' },
  buffers: { x: read, y: written },
  forms: elementForms<'rows' | 'columns' | 'width'>({
    code: `fn element(at: u32) {
      let columns = sizes.columns / WIDTH;
      if (at >= sizes.rows * columns) { return; }
      y[at] = x[at / columns * (sizes.width / WIDTH) + at % columns];
    }`,
    count: ({ rows, columns }) => rows * columns,
    aligned: ({ columns, width }) => (width % 4 === 0 ? columns : 1),
  }),
  cost: ({ rows, columns }) => ({ bytes: 8 * rows * columns, flops: 0 }),
});

/** Pairs a quarter turn further: `y[2k] = -x[2k + 1]`, `y[2k + 1] = x[2k]`; f32[count], a multiple of 4. */
export const swapPairs = kernel({
  name: 'elementary_swap_pairs',
  sizes: { count: 'u32' },
  buffers: { x: read, y: written },
  forms: elementForms<'count'>({
    code: `fn element(at: u32) {
      if (at >= sizes.count / WIDTH) { return; }
      let x = x[at];
      y[at] = vec4(-x.y, x.x, -x.w, x.z);
    }`,
    count: ({ count }) => count,
    aligned: ({ count }) => count,
  }).slice(0, 1),
  cost: ({ count }) => ({ bytes: 8 * count, flops: 0 }),
});

/** Each head of a row times the row's line: f32[rows, columns] and f32[rows, headDim] to f32[rows, columns]. */
export const multiplyHeads = kernel({
  name: 'elementary_multiply_heads',
  sizes: { rows: 'u32', columns: 'u32', headDim: 'u32' },
  buffers: { x: read, line: read, y: written },
  forms: elementForms<'rows' | 'columns' | 'headDim'>({
    code: `fn element(at: u32) {
      let columns = sizes.columns / WIDTH;
      let head = sizes.headDim / WIDTH;
      if (at >= sizes.rows * columns) { return; }
      y[at] = x[at] * line[at / columns * head + at % head];
    }`,
    count: ({ rows, columns }) => rows * columns,
    aligned: ({ headDim }) => headDim,
  }),
  cost: ({ rows, columns, headDim }) => ({ bytes: 4 * rows * (2 * columns + headDim), flops: rows * columns }),
});

/** Sums into the first columns of each row: f32[rows, columns] twice to f32[rows, width]. */
export const addIntoColumns = kernel({
  name: 'elementary_add_into_columns',
  sizes: { rows: 'u32', columns: 'u32', width: 'u32' },
  buffers: { a: read, b: read, y: written },
  forms: elementForms<'rows' | 'columns' | 'width'>({
    code: `fn element(at: u32) {
      let columns = sizes.columns / WIDTH;
      if (at >= sizes.rows * columns) { return; }
      y[at / columns * (sizes.width / WIDTH) + at % columns] = a[at] + b[at];
    }`,
    count: ({ rows, columns }) => rows * columns,
    aligned: ({ columns, width }) => (width % 4 === 0 ? columns : 1),
  }),
  cost: ({ rows, columns }) => ({ bytes: 12 * rows * columns, flops: rows * columns }),
});
