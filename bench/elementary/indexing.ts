import { elementForms } from '../../src/kernels/elements.ts';
import { kernel } from '../../src/kernels/kernel.ts';

const floats = { access: 'read', elements: 'f32' } as const;
const words = { access: 'read', elements: 'u32', scalar: true } as const;

/** Indices that a table has: the last one instead of those behind it; u32[count]. */
export const clampIndices = kernel({
  name: 'elementary_clamp_indices',
  sizes: { count: 'u32', vocabulary: 'u32' },
  buffers: { x: words, y: { ...words, access: 'read_write' } },
  forms: elementForms<'count' | 'vocabulary'>({
    code: `fn element(at: u32) {
      if (at >= sizes.count) { return; }
      y[at] = min(x[at], sizes.vocabulary - 1u);
    }`,
    count: ({ count }) => count,
  }),
  cost: ({ count }) => ({ bytes: 8 * count, flops: 0 }),
});

/** Where the elements of rows lie: `y[r, c] = x[r] * columns + c`; u32[rows] to u32[rows, columns]. */
export const addresses = kernel({
  name: 'elementary_addresses',
  sizes: { rows: 'u32', columns: 'u32' },
  buffers: { x: words, y: { access: 'read_write', elements: 'u32' } },
  forms: elementForms<'rows' | 'columns'>({
    code: `fn element(at: u32) {
      let width = sizes.columns / WIDTH;
      if (at >= sizes.rows * width) { return; }
      let first = x[at / width] * sizes.columns + at % width * WIDTH;
      y[at] = ADDRESSES;
    }`,
    count: ({ rows, columns }) => rows * columns,
    aligned: ({ columns }) => columns,
  }).map((form) => ({
    ...form,
    code: form.code.replace('ADDRESSES', form.vectors ? 'first + vec4(0u, 1u, 2u, 3u)' : 'first'),
  })),
  cost: ({ rows, columns }) => ({ bytes: 4 * rows * (columns + 1), flops: 0 }),
});

/** `y = table[x]`, element by element; f32[..], u32[count] to f32[count]. */
export const take = kernel({
  name: 'elementary_take',
  sizes: { count: 'u32' },
  buffers: { table: floats, x: words, y: { ...floats, access: 'read_write' } },
  forms: elementForms<'count'>({
    code: `fn element(at: u32) {
      if (at >= sizes.count) { return; }
      y[at] = table[x[at]];
    }`,
    count: ({ count }) => count,
  }),
  cost: ({ count }) => ({ bytes: 12 * count, flops: 0 }),
});

/** Sums of runs of rows; f32[rows, columns], u32[patches], u32[patches] to f32[patches, columns]. */
export const sumRuns = kernel({
  name: 'elementary_sum_runs',
  sizes: { rows: 'u32', columns: 'u32', patches: 'u32' },
  buffers: { x: floats, starts: words, lengths: words, y: { ...floats, access: 'read_write' } },
  forms: elementForms<'rows' | 'columns' | 'patches'>({
    code: `fn element(at: u32) {
      let width = sizes.columns / WIDTH;
      if (at >= sizes.patches * width) { return; }
      let start = starts[at / width];
      var sum = Value(0.0);
      for (var row = start; row < start + lengths[at / width]; row++) { sum += x[row * width + at % width]; }
      y[at] = sum;
    }`,
    count: ({ patches, columns }) => patches * columns,
    aligned: ({ columns }) => columns,
  }),
  cost: ({ rows, columns, patches }) => ({
    bytes: 4 * (columns * (rows + patches) + 2 * patches),
    flops: columns * rows,
  }),
});

/** u32[count] to f32[count]. */
export const toFloats = kernel({
  name: 'elementary_to_floats',
  sizes: { count: 'u32' },
  buffers: { x: words, y: { ...floats, access: 'read_write' } },
  forms: elementForms<'count'>({
    code: `fn element(at: u32) {
      if (at >= sizes.count) { return; }
      y[at] = f32(x[at]);
    }`,
    count: ({ count }) => count,
  }),
  cost: ({ count }) => ({ bytes: 8 * count, flops: 0 }),
});
