/**
 * Queries that share one set of keys. Larger blocks look at fewer keys twice, smaller ones at fewer keys in vain, and the
 * scores of a block should fit in a core's cache. Measured best at 12 heads and a window of 512: `npm run bench -- model`.
 */
export const BLOCK_QUERIES = 64;
const HIDDEN = -1e30;

/** Which keys each block of queries looks at: the inputs of the attention graph. */
export interface Band {
  readonly blocks: number;
  readonly queriesPerBlock: number;
  /** i32[blocks * queriesPerBlock], rows among the tokens; the last block repeats the last token to be full. */
  readonly queryRows: Int32Array;
  /** Rows among past and tokens together, for each block: the first, and the one after the last. */
  readonly keyStarts: readonly number[];
  readonly keyEnds: readonly number[];
  /** f32[masks * queriesPerBlock * maskWidth]: column `window - 1` is the row of a block's first query. */
  readonly mask: Float32Array;
  readonly masks: number;
  readonly maskWidth: number;
  /** The mask of each block, and the part of its columns that are the block's keys. */
  readonly maskRows: readonly number[];
  readonly maskStarts: readonly number[];
  readonly maskEnds: readonly number[];
}

export interface BandShape {
  /** Tokens to compute. */
  readonly tokens: number;
  /** Carried rows before them: the last `past` positions. */
  readonly past: number;
  /** Keys a query sees, itself included. */
  readonly window: number;
  /** For each token the row, among past and tokens, at which its document begins; absent where nothing is separated. */
  readonly firstRows?: Int32Array | undefined;
}

/**
 * Cuts sliding-window attention into blocks of queries that look at the rows from `window - 1` before their first query
 * to their last one, so that the work grows with tokens * window and never with tokens squared.
 */
export function bandOf(shape: BandShape): Band {
  const { tokens, past, firstRows } = shape;
  // a window is never wider than what there is to see
  const window = Math.min(shape.window, past + tokens);
  const blocks = Math.max(1, Math.ceil(tokens / BLOCK_QUERIES));
  const queriesPerBlock = Math.ceil(tokens / blocks);
  const rows = past + tokens;
  const each = Array.from({ length: blocks }, (_, block) => {
    const first = past + block * queriesPerBlock;
    const start = Math.max(0, first - (window - 1));
    return { first, start, end: Math.min(rows, first + queriesPerBlock) };
  });
  const masks = firstRows === undefined ? 1 : blocks;
  const maskWidth = window - 1 + queriesPerBlock;
  const mask = new Float32Array(masks * queriesPerBlock * maskWidth).fill(HIDDEN);
  for (let block = 0, at = 0; block < masks; block++) {
    // the row that column 0 stands for
    const origin = past + block * queriesPerBlock - (window - 1);
    for (let q = 0; q < queriesPerBlock; q++, at += maskWidth) {
      const begins = firstRows?.[Math.min(block * queriesPerBlock + q, tokens - 1)] ?? Number.NEGATIVE_INFINITY;
      mask.fill(0, at + Math.max(q, begins - origin), at + q + window);
    }
  }
  return {
    blocks,
    queriesPerBlock,
    queryRows: Int32Array.from({ length: blocks * queriesPerBlock }, (_, i) => Math.min(i, tokens - 1)),
    keyStarts: each.map(({ start }) => start),
    keyEnds: each.map(({ end }) => end),
    mask,
    masks,
    maskWidth,
    maskRows: each.map((_, block) => (masks === 1 ? 0 : block)),
    maskStarts: each.map(({ first, start }) => start - first + window - 1),
    maskEnds: each.map(({ first, end }) => end - first + window - 1),
  };
}
