import { requireOptions } from '../../knownOptions.ts';
import { linearCoder } from '../codes/coder.ts';
import { oneOf } from '../options.ts';
import { coderScheme } from '../scheme.ts';

export interface BinaryOptions {
  /** Type of the scales. Default: `f16`. */
  readonly scales?: 'f16' | 'f32' | undefined;
}

interface Resolved {
  readonly [name: string]: string;
  readonly scales: 'f16' | 'f32';
}

/**
 * One bit a number, set for 0 and above, lowest bit of a byte first; the scale of a row is the mean of its magnitudes, and the
 * value is the scale or its negative. Negative subnormal numbers count as 0. Parts: `codes` U8 [columns / 8, rounded up],
 * `scales` F16 or F32 [].
 *
 * Encoding throws SluiceError `QUANTIZE_VALUE` for NaN and infinities, and for rows whose mean magnitude binary16 does not
 * hold within its normal range: below 0.000061 (but not 0) or above 65504.
 */
export const binary = coderScheme<Resolved>({
  name: 'binary',
  resolve(given: BinaryOptions) {
    requireOptions('binary', given, { scales: true });
    return { scales: oneOf('binary', 'scales', given.scales, ['f16', 'f32']) };
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
        low: 0,
        high: 1,
        bias: 0,
        rounding: 'even',
        packing: 'signs',
        bits: 1,
      },
      codes: 'U8',
      steps: scales,
    }),
});
