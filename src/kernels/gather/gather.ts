import { elementForms } from '../elements.ts';
import { kernel } from '../kernel.ts';
import { GATHER } from './gather.wgsl.ts';

/**
 * Rows of a table: `gathered[r] = table[indices[r]]`; f32[vocabulary, columns] and u32[rows] to f32[rows, columns]. An index
 * that the table does not have gives a row of zeros.
 */
export const gather = kernel({
  name: 'gather',
  sizes: { rows: 'u32', columns: 'u32', vocabulary: 'u32' },
  buffers: {
    table: { access: 'read', elements: 'f32' },
    indices: { access: 'read', elements: 'u32', scalar: true },
    gathered: { access: 'read_write', elements: 'f32' },
  },
  forms: elementForms<'rows' | 'columns' | 'vocabulary'>({
    code: GATHER,
    count: ({ rows, columns }) => rows * columns,
    aligned: ({ columns }) => columns,
  }),
  // of a table that is larger than what is taken, no more is read than that
  cost: ({ rows, columns, vocabulary }) => ({
    bytes: 4 * (columns * (rows + Math.min(rows, vocabulary)) + rows),
    flops: 0,
  }),
});
