import { type Form, kernel } from '../kernel.ts';
import { rowForms } from '../rows.ts';
import { ROW_EXTREMES, ROW_EXTREMES_FOLD4, ROW_EXTREMES_RANGE } from './rowExtremes.wgsl.ts';

/**
 * The least and the largest number of each group, with the bits that they have: lines of `line` numbers are cut into groups
 * of `columns`, the last one of a line being what is left; `rows` is the number of all groups. f32[lines, line] to f32[rows]
 * and f32[rows], all of them bound as u32. Exact on every device, subnormal numbers included, with -0 before 0. The numbers of
 * a group are finite where both of its extremes are.
 */
export const rowExtremes = kernel({
  name: 'row_extremes',
  sizes: { rows: 'u32', columns: 'u32', line: 'u32' },
  buffers: {
    input: { access: 'read', elements: 'u32' },
    least: { access: 'read_write', elements: 'u32', scalar: true },
    largest: { access: 'read_write', elements: 'u32', scalar: true },
  },
  forms: rowForms<'line'>({
    input: 'input',
    sums: ['least', 'largest'],
    type: 'u32',
    code: ROW_EXTREMES,
    fold4: ROW_EXTREMES_FOLD4,
    range: ROW_EXTREMES_RANGE,
  }).map(
    (form): Form<'rows' | 'columns' | 'line'> => ({
      ...form,
      fits: (sizes) => (form.fits?.(sizes) ?? true) && (!form.vectors || sizes.line % 4 === 0),
    }),
  ),
  // two comparisons
  cost: ({ rows, columns, line }) => {
    const count = (rows / Math.ceil(line / columns)) * line;
    return { bytes: 4 * (count + 2 * rows), flops: 2 * count };
  },
});
