import { type MeanOptions, meanScheme } from '../codes/meanScheme.ts';

export type TernaryOptions = MeanOptions;

/**
 * -1, 0 or 1 a number, as BitNet b1.58 has it (arXiv 2402.17764): the scale of a row is the mean of its magnitudes, and
 * `code = clip(round(x / scale), -1, 1)`, half to even; `value = code * scale`. Five codes a byte in base 3, the first code
 * the lowest digit, each plus 1. Parts: `codes` U8 [columns / 5, rounded up], `scales` F16 or F32 []. Encoding throws as
 * {@link meanScheme}; decoding refuses bytes above 242.
 */
export const ternary = meanScheme('ternary', { low: -1, high: 1, bias: 1, packing: 'trits', bits: 2 });
