/**
 * Names of the graphs' inputs and outputs. T tokens are computed and P earlier positions are carried in; attention takes
 * the tokens in B blocks of Q queries (see `bands.ts`). H heads of width d share keys in G groups.
 */
export const INPUT = {
  /** i32[T]. */
  tokens: 'tokens',
  /** f32[T, dim], of a graph that begins between two layers. */
  residual: 'residual',
  /** f32[T, d/2], rows of the rotary table at the tokens' positions. */
  cos: 'cos',
  sin: 'sin',
  /** i64 scalar: B. */
  blocks: 'blocks',
  /** i32[B, Q]: the token that each query of a block is. */
  queryRows: 'query_rows',
  /** i64[B]: the first of the P + T key rows that a block looks at, and the one after the last. */
  keyStarts: 'key_starts',
  keyEnds: 'key_ends',
  /** f32[B or 1, Q, window - 1 + Q], added to the scores: 0 or a large negative number. Column `window - 1` is the first query's own row. */
  mask: 'mask',
  /** i64[B]: which of the masks is a block's. */
  maskRows: 'mask_rows',
  /** i64[B]: the part of the mask's columns that belongs to the block's keys. */
  maskStarts: 'mask_starts',
  maskEnds: 'mask_ends',
  /** i64[1]: the first of the P + T rows that the next piece needs. */
  carryFrom: 'carry_from',
  /** f32[G, P, d]: rotated keys, or values, of one layer. */
  pastKeys: (layer: number) => `past.${layer}.keys`,
  pastValues: (layer: number) => `past.${layer}.values`,
} as const;

export const OUTPUT = {
  /** f32[T], nats. */
  entropies: 'entropies',
  /** f32[T]. */
  norms: 'norms',
  /** f32[T, dim]. */
  preNorm: 'pre_norm',
  /** f32[T, vocabulary]. */
  logits: 'logits',
  /** f32[T, dim], of a graph that ends between two layers. */
  residual: 'residual_out',
  /** f32[G, rows, d]: the past of the piece that follows. */
  nextKeys: (layer: number) => `next.${layer}.keys`,
  nextValues: (layer: number) => `next.${layer}.values`,
} as const;
