import { elementForms } from '../../src/kernels/elements.ts';
import { kernel } from '../../src/kernels/kernel.ts';

type HeadSizes = 'batch' | 'sequence' | 'heads' | 'headDim';

const SIZES = { batch: 'u32', sequence: 'u32', heads: 'u32', headDim: 'u32' } as const;
const read = { access: 'read', elements: 'f32' } as const;
const written = { access: 'read_write', elements: 'f32' } as const;

const I = [0, 1, 2, 3];
const lines = (make: (i: number) => string): string => I.map(make).join('\n');

/**
 * Products of every query with every key of its head, scaled: f32[batch * sequence, 3 * heads * headDim] to f32[batch,
 * heads, sequence, sequence]. An invocation has a tile of 4 by 4 in registers; sequence and headDim are multiples of 4.
 */
export const queryKeyProducts = kernel({
  name: 'elementary_query_key_products',
  sizes: { ...SIZES, scale: 'f32' },
  buffers: { qkv: read, scores: written },
  forms: elementForms<HeadSizes | 'scale'>({
    code: `fn element(at: u32) {
      let side = sizes.sequence / 4u;
      let matrix = at / side / side;
      if (matrix >= sizes.batch * sizes.heads) { return; }
      let query = at / side % side * 4u;
      let keys = at % side;
      let head = sizes.headDim / 4u;
      let width = 3u * sizes.heads * head;
      let first = matrix / sizes.heads * sizes.sequence * width + matrix % sizes.heads * head;
      let q = first + query * width;
      let k = first + 4u * keys * width + sizes.heads * head;
      ${lines((i) => `var s${i} = vec4(0.0);`)}
      for (var d = 0u; d < head; d++) {
        let columns = mat4x4(${I.map((i) => `qkv[k + ${i}u * width + d]`).join(', ')});
        ${lines((i) => `s${i} += qkv[q + ${i}u * width + d] * columns;`)}
      }
      let to = (matrix * sizes.sequence + query) * side + keys;
      ${lines((i) => `scores[to + ${i}u * side] = s${i} * sizes.scale;`)}
    }`,
    count: ({ batch, heads, sequence }) => (batch * heads * sequence ** 2) / 4,
    aligned: ({ sequence, headDim }) => (headDim % 4 === 0 ? sequence : 1),
  }).slice(0, 1),
  cost: ({ batch, sequence, heads, headDim }) => ({
    bytes: 4 * batch * heads * sequence * (sequence + 2 * headDim),
    flops: 2 * batch * heads * sequence ** 2 * headDim,
  }),
});

/** Scores of keys that a query does not see are the least there are: f32[.., sequence, sequence], causal, with a window. */
export const maskWindow = kernel({
  name: 'elementary_mask_window',
  sizes: { count: 'u32', sequence: 'u32', window: 'u32' },
  buffers: { x: read, y: written },
  forms: elementForms<'count' | 'sequence' | 'window'>({
    code: `fn element(at: u32) {
      if (at >= sizes.count / WIDTH) { return; }
      let row = at * WIDTH / sizes.sequence % sizes.sequence;
      let column = vec4(at * WIDTH % sizes.sequence) + vec4(0u, 1u, 2u, 3u);
      y[at] = select(vec4(-3e38), x[at], (column <= vec4(row)) & (column + sizes.window > vec4(row)));
    }`,
    count: ({ count }) => count,
    aligned: ({ sequence }) => sequence,
  }).slice(0, 1),
  cost: ({ count }) => ({ bytes: 8 * count, flops: 0 }),
});

/**
 * Sums of values by weight: f32[batch, heads, sequence, sequence] and the values of f32[batch * sequence, 3 * heads *
 * headDim] to f32[batch * sequence, heads * headDim]. An invocation has a tile of 4 by 4 in registers.
 */
export const weightedValues = kernel({
  name: 'elementary_weighted_values',
  sizes: SIZES,
  buffers: { weights: read, qkv: read, output: written },
  forms: elementForms<HeadSizes>({
    code: `fn element(at: u32) {
      let side = sizes.sequence / 4u;
      let head = sizes.headDim / 4u;
      let d = at % head;
      let query = at / head % side * 4u;
      let matrix = at / head / side;
      if (matrix >= sizes.batch * sizes.heads) { return; }
      let width = 3u * sizes.heads * head;
      let token = matrix / sizes.heads * sizes.sequence;
      let v = token * width + (2u * sizes.heads + matrix % sizes.heads) * head + d;
      let p = (matrix * sizes.sequence + query) * side;
      ${lines((i) => `var s${i} = vec4(0.0);`)}
      for (var keys = 0u; keys < side; keys++) {
        let rows = mat4x4(${I.map((i) => `qkv[v + (4u * keys + ${i}u) * width]`).join(', ')});
        ${lines((i) => `s${i} += rows * weights[p + ${i}u * side + keys];`)}
      }
      let to = ((token + query) * sizes.heads + matrix % sizes.heads) * head + d;
      ${lines((i) => `output[to + ${i}u * sizes.heads * head] = s${i};`)}
    }`,
    count: ({ batch, heads, sequence, headDim }) => (batch * heads * sequence * headDim) / 4,
    aligned: ({ sequence, headDim }) => (headDim % 4 === 0 ? sequence : 1),
  }).slice(0, 1),
  cost: ({ batch, sequence, heads, headDim }) => ({
    bytes: 4 * batch * heads * sequence * (sequence + 2 * headDim),
    flops: 2 * batch * heads * sequence ** 2 * headDim,
  }),
});
