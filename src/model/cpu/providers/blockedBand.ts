import type { ModelConfig } from '../../config.ts';
import { LAP_POSITIONS } from '../../stream.ts';
import type { BandShape } from '../bands.ts';

/** Queries that share one copy of keys: larger blocks copy fewer keys, smaller ones look at fewer in vain. */
const BLOCK_QUERIES = 128;
const HIDDEN = -1e30;

/** Which keys each block of queries looks at, all blocks alike in size: the inputs of `onnx/blockedAttention.ts`. */
export interface BlockedBand {
  readonly blocks: number;
  readonly queriesPerBlock: number;
  readonly keysPerBlock: number;
  /** i32[blocks * queriesPerBlock], rows among the tokens; the last block repeats the last token to be full. */
  readonly queryRows: Int32Array;
  /** i32[blocks * keysPerBlock], rows among past and tokens together. */
  readonly keyRows: Int32Array;
  /** f32[masks * queriesPerBlock * keysPerBlock]. */
  readonly mask: Float32Array;
  /** 1 where every block looks the same. */
  readonly masks: number;
}

/** Cuts sliding-window attention into blocks as `bandOf` does, each with its keys listed row by row. */
export function blockedBandOf({ tokens, past, window, firstRows }: BandShape): BlockedBand {
  const { blocks, queriesPerBlock, keysPerBlock } = sizesOf(tokens, past, window);
  const rows = past + tokens;
  const firstKey = (block: number) => Math.max(0, past + block * queriesPerBlock - (window - 1));
  const keyRows = new Int32Array(blocks * keysPerBlock);
  for (let block = 0, at = 0; block < blocks; block++) {
    for (let k = 0; k < keysPerBlock; k++) keyRows[at++] = Math.min(firstKey(block) + k, rows - 1);
  }
  const alike = firstRows === undefined && past >= window - 1;
  const masks = alike ? 1 : blocks;
  const mask = new Float32Array(masks * queriesPerBlock * keysPerBlock).fill(HIDDEN);
  for (let block = 0, at = 0; block < masks; block++) {
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
  return {
    blocks,
    queriesPerBlock,
    keysPerBlock,
    queryRows: Int32Array.from({ length: blocks * queriesPerBlock }, (_, i) => Math.min(i, tokens - 1)),
    keyRows,
    mask,
    masks,
  };
}

/** Bytes of the largest tensor of a pass over so many tokens, wherever in a document: the scores, as a rule. */
export function largestTensorBytes(config: ModelConfig, tokens: number): number {
  const { heads, window, ffnHidden, vocabSize } = config;
  const { blocks, queriesPerBlock, keysPerBlock } = sizesOf(tokens, window - 1, window);
  return 4 * Math.max(heads * blocks * queriesPerBlock * keysPerBlock, tokens * Math.max(ffnHidden, vocabSize));
}

/** What every WebGPU device can bind as one buffer. */
const MOST_TENSOR_BYTES = 128 << 20;

/** The longest piece whose tensors every WebGPU device can bind, wherever in a document it is. */
export function longestDevicePiece(config: ModelConfig): number {
  let [fits, most] = [1, LAP_POSITIONS];
  while (fits < most) {
    const tokens = Math.ceil((fits + most) / 2);
    if (largestTensorBytes(config, tokens) <= MOST_TENSOR_BYTES) fits = tokens;
    else most = tokens - 1;
  }
  return fits;
}

function sizesOf(tokens: number, past: number, window: number) {
  const blocks = Math.max(1, Math.ceil(tokens / BLOCK_QUERIES));
  const queriesPerBlock = Math.ceil(tokens / blocks);
  return { blocks, queriesPerBlock, keysPerBlock: Math.min(window - 1 + queriesPerBlock, past + tokens) };
}
