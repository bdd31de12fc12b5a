import { type Form, type Kernel, kernel } from '../kernel.ts';
import { queryCode } from './queries.wgsl.ts';
import { attentionRows } from './rows.wgsl.ts';
import { tileCode } from './tiles.wgsl.ts';

const SIZES = {
  blocks: 'u32',
  heads: 'u32',
  kvHeads: 'u32',
  window: 'u32',
  ringRows: 'u32',
  scale: 'f32',
  softCap: 'f32',
  tokens: 'u32',
  pairs: 'u32',
} as const;

type AttentionSizes = keyof typeof SIZES;
type AttentionBuffers = 'qkv' | 'carried' | 'sequences' | 'blocks' | 'firstRows' | 'output';

const MOST_HEAD_DIM = 256;

const kernels = new Map<number, Kernel<AttentionSizes, AttentionBuffers>>();

/**
 * Causal attention with a sliding window over sequences that continue what was carried on before, for heads of one size:
 * `output = softmax(scale q.k) v` over the visible keys; scores never leave the chip (FlashAttention, arXiv:2205.14135).
 *
 * Rows of a sequence are its carried rows 0..past-1 and its new tokens from `past` on. The query of row r sees the rows
 * `max(0, r - window + 1, firstRow)..r`. Query head h reads key and value head `floor(h / (heads / kvHeads))`.
 *
 * - `qkv` f32[tokens, (heads + 2 kvHeads) * headDim]: of each token its queries, keys and values, positions applied.
 * - `carried` f32[slots, 2, ringRows, kvHeads * headDim]: keys, then values. Row x lies at ring row `(ringStart + x) mod
 *   ringRows`. At least 16 bytes must be bound also where nothing is carried.
 * - `sequences` u32[any, 6], see `sequenceTable`: first token, tokens, past <= ringRows, slot, ringStart < ringRows, 0.
 * - `blocks` u32[blocks, 2], see `blockTable`: sequence, first query.
 * - `firstRows` u32[tokens]: the row at which each new token's document begins, never less than that of the token before;
 *   0 where nothing is separated.
 * - `output` f32[tokens, heads * headDim].
 *
 * Sizes: `scale` is `1 / sqrt(headDim)` for most models. A `softCap` c other than 0 turns each scaled score s into
 * `c tanh(s / c)`. `tokens` and `pairs` (see `visiblePairs`) count the work, and nothing else.
 *
 * All values are finite. Bits of a query depend on its own sequence only. Throws RangeError for a `headDim` that is odd or
 * not in 2..256. The same kernel is returned every time.
 */
export function attention(headDim: number): Kernel<AttentionSizes, AttentionBuffers> {
  const known = kernels.get(headDim);
  if (known !== undefined) return known;
  if (headDim % 2 !== 0 || headDim < 2 || headDim > MOST_HEAD_DIM) {
    throw new RangeError(`Attention takes heads of an even size up to ${MOST_HEAD_DIM}, not ${headDim}.`);
  }
  const made = attentionOfHeads(headDim);
  kernels.set(headDim, made);
  return made;
}

function attentionOfHeads(headDim: number): Kernel<AttentionSizes, AttentionBuffers> {
  const vectors = headDim % 4 === 0;
  const form = (name: string, code: string): Form<AttentionSizes> => ({
    name: vectors ? `${name}4` : name,
    code: `${attentionRows(headDim, vectors)}${code}`,
    vectors,
    workgroups: ({ blocks, heads }) => blocks * heads,
  });
  return kernel({
    name: `attention.${headDim}`,
    sizes: SIZES,
    buffers: {
      qkv: { access: 'read', elements: 'f32' },
      carried: { access: 'read', elements: 'f32' },
      sequences: { access: 'read', elements: 'u32', scalar: true },
      blocks: { access: 'read', elements: 'u32', scalar: true },
      firstRows: { access: 'read', elements: 'u32', scalar: true },
      output: { access: 'read_write', elements: 'f32' },
    },
    forms: [
      { ...form('tile', tileCode(headDim)), suits: ({ software }) => !software },
      form('query', queryCode(headDim)),
    ],
    // carried rows are not counted; a product and a sum for each dimension of a score, and of a weighted value
    cost: ({ tokens, pairs, heads, kvHeads }) => ({
      bytes: 8 * tokens * (heads + kvHeads) * headDim,
      flops: 4 * pairs * heads * headDim,
    }),
  });
}
