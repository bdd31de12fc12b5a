import { elementForms } from '../elements.ts';
import { kernel } from '../kernel.ts';
import { CARRY_KEYS } from './carryKeys.wgsl.ts';

type CarrySizes = 'sequences' | 'rows' | 'heads' | 'kvHeads' | 'headDim' | 'ringRows';

/**
 * Writes keys and values of the last `min(tokens, ringRows)` new tokens of each sequence into its ring: row `past + t` of
 * the sequence goes to ring row `(ringStart + past + t) mod ringRows`. For after `attention`, which still reads the rows that
 * these replace; the keys are turned by then.
 *
 * Buffers and tables are those of `attention`; a sequence with slot 0xffffffff carries nothing on, and no slot is in the
 * table twice. The size `rows` is the most rows that one sequence writes; 0, for rings without rows, does nothing.
 */
export const carryKeys = kernel({
  name: 'carry_keys',
  sizes: { sequences: 'u32', rows: 'u32', heads: 'u32', kvHeads: 'u32', headDim: 'u32', ringRows: 'u32' },
  buffers: {
    qkv: { access: 'read', elements: 'f32' },
    sequences: { access: 'read', elements: 'u32', scalar: true },
    carried: { access: 'read_write', elements: 'f32' },
  },
  forms: elementForms<CarrySizes>({
    code: CARRY_KEYS,
    count: ({ sequences, rows, kvHeads, headDim }) => 2 * sequences * rows * kvHeads * headDim,
    aligned: ({ headDim }) => headDim,
  }),
  // as if all sequences wrote that many rows
  cost: ({ sequences, rows, kvHeads, headDim }) => ({ bytes: 16 * sequences * rows * kvHeads * headDim, flops: 0 }),
});
