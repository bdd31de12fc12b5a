import { elementForms } from '../elements.ts';
import { kernel } from '../kernel.ts';
import { SILU_GATE } from './siluGate.wgsl.ts';

/**
 * The gated unit SwiGLU (Shazeer 2020): `gated = silu(gate) * up`, `silu(z) = z / (1 + e^-z)`; f32[rows, 2 columns], whose
 * rows are a gate and an up half, to f32[rows, columns].
 */
export const siluGate = kernel({
  name: 'silu_gate',
  sizes: { rows: 'u32', columns: 'u32' },
  buffers: {
    gateUp: { access: 'read', elements: 'f32' },
    gated: { access: 'read_write', elements: 'f32' },
  },
  forms: elementForms<'rows' | 'columns'>({
    code: SILU_GATE,
    count: ({ rows, columns }) => rows * columns,
    aligned: ({ columns }) => columns,
  }),
  // an absolute value, a power, a choice, a sum, two products and a quotient
  cost: ({ rows, columns }) => ({ bytes: 12 * rows * columns, flops: 7 * rows * columns }),
});
