import type { ModelConfig } from '../config.ts';

/**
 * Most threads of one pass with which its bits are those of one thread. ONNX Runtime sums a matrix product in the same
 * order for any number of threads as long as each gets more than 64 columns of it (twice that is asked for here), or
 * where rows are divided.
 */
export function passThreads({ dim, heads, kvHeads, headDim }: ModelConfig): number {
  return Math.max(1, Math.floor(Math.min(dim, heads * headDim, kvHeads * headDim) / 128));
}
