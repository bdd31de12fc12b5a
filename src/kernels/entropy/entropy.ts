import { kernel } from '../kernel.ts';
import { rowForms } from '../rows.ts';
import { ENTROPY, ENTROPY_FOLD4, ENTROPY_SUMS } from './entropy.wgsl.ts';

/**
 * Entropy in nats of the softmax of each row: `entropies[r] = -sum p ln p`, `p = softmax(logits[r])`; f32[rows, columns]
 * to f32[rows], reading the logits once. Logits are finite.
 */
export const entropy = kernel({
  name: 'entropy',
  sizes: { rows: 'u32', columns: 'u32' },
  buffers: {
    logits: { access: 'read', elements: 'f32' },
    entropies: { access: 'read_write', elements: 'f32', scalar: true },
  },
  forms: rowForms({ input: 'logits', sums: ENTROPY_SUMS, code: ENTROPY, fold4: ENTROPY_FOLD4 }),
  // a logit is compared, shifted, raised, added, multiplied and added
  cost: ({ rows, columns }) => ({ bytes: 4 * rows * (columns + 1), flops: 6 * rows * columns }),
});
