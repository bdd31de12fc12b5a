/** Queries that share one set of keys: larger blocks look at fewer keys twice, smaller ones at fewer keys in vain. */
export const BLOCK_QUERIES = 128;
const HIDDEN = -1e30;

export interface Band {
  readonly blocks: number;
  readonly queriesPerBlock: number;
  readonly keysPerBlock: number;
  /** i32[blocks * queriesPerBlock], rows among the tokens; the last block repeats the last token to be full. */
  readonly queryRows: Int32Array;
  /** i32[blocks * keysPerBlock], rows among past and tokens together. */
  readonly keyRows: Int32Array;
  /** f32[maskBlocks * queriesPerBlock * keysPerBlock]. */
  readonly mask: Float32Array;
  /** 1 where every block looks the same. */
  readonly maskBlocks: number;
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
  const { tokens, past, window, firstRows } = shape;
  const blocks = Math.max(1, Math.ceil(tokens / BLOCK_QUERIES));
  const queriesPerBlock = Math.ceil(tokens / blocks);
  const rows = past + tokens;
  const keysPerBlock = Math.min(window - 1 + queriesPerBlock, rows);
  const firstKey = (block: number) => Math.max(0, past + block * queriesPerBlock - (window - 1));
  const queryRows = Int32Array.from({ length: blocks * queriesPerBlock }, (_, i) => Math.min(i, tokens - 1));
  const keyRows = new Int32Array(blocks * keysPerBlock);
  for (let block = 0, at = 0; block < blocks; block++) {
    for (let k = 0; k < keysPerBlock; k++) keyRows[at++] = Math.min(firstKey(block) + k, rows - 1);
  }
  const alike = firstRows === undefined && past >= window - 1;
  const maskBlocks = alike ? 1 : blocks;
  const mask = new Float32Array(maskBlocks * queriesPerBlock * keysPerBlock).fill(HIDDEN);
  for (let block = 0, at = 0; block < maskBlocks; block++) {
    for (let q = 0; q < queriesPerBlock; q++, at += keysPerBlock) {
      const token = block * queriesPerBlock + q;
      const row = past + token;
      const first = Math.max(row - window + 1, firstRows?.[Math.min(token, tokens - 1)] ?? 0, 0);
      const start = first - firstKey(block);
      // a query that only fills its block up may have no row of its own left; it then sees the block's last one
      const end = Math.min(row - firstKey(block) + 1, keysPerBlock);
      mask.fill(0, at + Math.min(start, end - 1), at + end);
    }
  }
  return { blocks, queriesPerBlock, keysPerBlock, queryRows, keyRows, mask, maskBlocks };
}
