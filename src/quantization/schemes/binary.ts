import { type MeanOptions, meanScheme } from '../codes/meanScheme.ts';

export type BinaryOptions = MeanOptions;

/**
 * One bit a number, set for 0 and above, lowest bit of a byte first; the scale of a row is the mean of its magnitudes, and the
 * value is the scale or its negative. Negative subnormal numbers count as 0. Parts: `codes` U8 [columns / 8, rounded up],
 * `scales` F16 or F32 []. Encoding throws as {@link meanScheme}.
 */
export const binary = meanScheme('binary', { low: 0, high: 1, bias: 0, packing: 'signs', bits: 1 });
