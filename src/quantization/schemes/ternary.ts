import { requireOptions } from '../../knownOptions.ts';
import { linearCoder } from '../codes/coder.ts';
import { oneOf } from '../options.ts';
import { coderScheme } from '../scheme.ts';

export interface TernaryOptions {
  /** Type of the scales. Default: `f16`. */
  readonly scales?: 'f16' | 'f32' | undefined;
}

interface Resolved {
  readonly [name: string]: string;
  readonly scales: 'f16' | 'f32';
}

/**
 * -1, 0 or 1 a number, as BitNet b1.58 has it (arXiv 2402.17764): the scale of a row is the mean of its magnitudes, and
 * `code = clip(round(x / scale), -1, 1)`, half to even; `value = code * scale`. Five codes a byte in base 3, the first code
 * the lowest digit, each plus 1. Parts: `codes` U8 [columns / 5, rounded up], `scales` F16 or F32 [].
 *
 * Encoding throws SluiceError `QUANTIZE_VALUE` for NaN and infinities, and for rows whose mean magnitude binary16 does not
 * hold within its normal range: below 0.000061 (but not 0) or above 65504. Decoding refuses bytes above 242.
 */
export const ternary = coderScheme<Resolved>({
  name: 'ternary',
  resolve(given: TernaryOptions) {
    requireOptions('ternary', given, { scales: true });
    return { scales: oneOf('ternary', 'scales', given.scales, ['f16', 'f32']) };
  },
  tensors: () => [],
  open: ({ scales }, columns) =>
    linearCoder({
      form: {
        columns,
        group: 'block',
        block: columns,
        from: 'mean',
        middle: 0,
        low: -1,
        high: 1,
        bias: 1,
        rounding: 'even',
        packing: 'trits',
        bits: 2,
      },
      codes: 'U8',
      steps: scales,
    }),
});
