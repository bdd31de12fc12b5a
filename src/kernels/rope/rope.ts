import { kernel } from '../kernel.ts';
import { pairForms } from './pairs.ts';
import { ROPE } from './rope.wgsl.ts';

/**
 * Rotary positions (RoFormer, arXiv:2104.09864) of interleaved pairs, in place: with x the elements 2k and 2k + 1 of a head,
 * `y[2k] = x[2k] c - x[2k + 1] s`, `y[2k + 1] = x[2k] s + x[2k + 1] c`.
 *
 * `qkv` f32[tokens, (heads + 2 kvHeads) * headDim]: queries and keys are turned, values left alone. `rows` u32[tokens]: the
 * row of `angles` for each token. `angles` f32[positions, headDim]: cos and sin of each pair in turn, see `anglesOf`; made on
 * the CPU, since cos and sin of WGSL are too coarse. `headDim` is even.
 */
export const rope = kernel({
  name: 'rope',
  sizes: { tokens: 'u32', heads: 'u32', kvHeads: 'u32', headDim: 'u32' },
  buffers: {
    qkv: { access: 'read_write', elements: 'f32' },
    angles: { access: 'read', elements: 'f32' },
    rows: { access: 'read', elements: 'u32', scalar: true },
  },
  forms: pairForms<'tokens' | 'heads' | 'kvHeads'>({
    buffer: 'qkv',
    back: false,
    code: ROPE,
    count: ({ tokens, heads, kvHeads, headDim }) => tokens * (heads + kvHeads) * headDim,
  }),
  // tokens at the same position share a row of angles; four products and two sums for a pair
  cost: ({ tokens, heads, kvHeads, headDim }) => ({
    bytes: 4 * tokens * (2 * (heads + kvHeads) * headDim + 1),
    flops: 3 * tokens * (heads + kvHeads) * headDim,
  }),
});
