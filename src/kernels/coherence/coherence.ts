import { elementForms } from '../elements.ts';
import { kernel } from '../kernel.ts';
import { COHERENCE, LANES, SPAN } from './coherence.wgsl.ts';

/**
 * Coherence of each patch: `coherences = prominence^2 / (entropies + 1e-6)`; f32[count] and f32[count] to f32[count].
 * Entropies are in nats and not negative.
 */
export const coherence = kernel({
  name: 'coherence',
  sizes: { count: 'u32' },
  buffers: {
    prominence: { access: 'read', elements: 'f32' },
    entropies: { access: 'read', elements: 'f32' },
    coherences: { access: 'read_write', elements: 'f32' },
  },
  // no vectors: which form runs would depend on how many patches there are
  forms: elementForms<'count'>({ code: COHERENCE, count: ({ count }) => LANES * Math.ceil(count / SPAN) }),
  cost: ({ count }) => ({ bytes: 12 * count, flops: 3 * count }),
});
