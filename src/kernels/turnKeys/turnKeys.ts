import { kernel } from '../kernel.ts';
import { pairForms } from '../rope/pairs.ts';
import { TURN_KEYS } from './turnKeys.wgsl.ts';

/**
 * Turns carried keys back, in place, so that positions of their document can be counted from a new origin: attention depends
 * on the distance of positions only. With k the elements 2p and 2p + 1 of a key, `k'[2p] = k[2p] c + k[2p + 1] s`,
 * `k'[2p + 1] = k[2p + 1] c - k[2p] s`.
 *
 * `carried` f32[any, 2, ringRows, kvHeads * headDim]: keys, then values; the whole ring is turned, also rows that hold
 * nothing. `slots` u32[slots]: whose keys, each once. `angles` f32[slots, headDim]: by how much, cos and sin of each pair in
 * turn, see `anglesOf`. `headDim` is even.
 */
export const turnKeys = kernel({
  name: 'turn_keys',
  sizes: { slots: 'u32', ringRows: 'u32', kvHeads: 'u32', headDim: 'u32' },
  buffers: {
    carried: { access: 'read_write', elements: 'f32' },
    slots: { access: 'read', elements: 'u32', scalar: true },
    angles: { access: 'read', elements: 'f32' },
  },
  forms: pairForms<'slots' | 'ringRows' | 'kvHeads'>({
    buffer: 'carried',
    back: true,
    code: TURN_KEYS,
    count: ({ slots, ringRows, kvHeads, headDim }) => slots * ringRows * kvHeads * headDim,
  }),
  cost: ({ slots, ringRows, kvHeads, headDim }) => ({
    bytes: 4 * slots * (headDim * (2 * ringRows * kvHeads + 1) + 1),
    flops: 3 * slots * ringRows * kvHeads * headDim,
  }),
});
