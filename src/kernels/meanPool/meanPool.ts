import { elementForms } from '../elements.ts';
import { kernel } from '../kernel.ts';
import { MEAN_POOL } from './meanPool.wgsl.ts';

/**
 * Means of runs of rows: `means[p] = sum states[starts[p] .. starts[p] + lengths[p]] / lengths[p]`; f32[rows, columns],
 * u32[patches] and u32[patches] to f32[patches, columns]. A run of no rows gives zeros; rows of a run that do not exist
 * count as zeros. The mean of a run depends on its rows alone.
 */
export const meanPool = kernel({
  name: 'mean_pool',
  sizes: { rows: 'u32', columns: 'u32', patches: 'u32' },
  buffers: {
    states: { access: 'read', elements: 'f32' },
    starts: { access: 'read', elements: 'u32', scalar: true },
    lengths: { access: 'read', elements: 'u32', scalar: true },
    means: { access: 'read_write', elements: 'f32' },
  },
  forms: elementForms<'rows' | 'columns' | 'patches'>({
    code: MEAN_POOL,
    count: ({ patches, columns }) => patches * columns,
    aligned: ({ columns }) => columns,
  }),
  // of runs that follow each other and leave no row out
  cost: ({ rows, columns, patches }) => ({
    bytes: 4 * (columns * (rows + patches) + 2 * patches),
    flops: columns * (rows + patches),
  }),
});
