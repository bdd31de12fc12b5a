import { requireOptions } from '../../knownOptions.ts';
import { oneOf } from '../options.ts';
import { type CoderScheme, coderScheme } from '../scheme.ts';
import { linearCoder } from './coder.ts';
import type { LinearForm } from './linear.ts';

export interface MeanOptions {
  /** Type of the scales. Default: `f16`. */
  readonly scales?: 'f16' | 'f32' | undefined;
}

export interface Resolved {
  readonly [name: string]: string;
  readonly scales: 'f16' | 'f32';
}

/**
 * A scheme of codes of a few values whose scale is the mean of a row's magnitudes. Parts: `codes` U8, `scales` F16 or F32 [].
 *
 * Encoding throws SluiceError `QUANTIZE_VALUE` for NaN and infinities, and for rows whose mean magnitude binary16 does not
 * hold within its normal range: below 0.000061 (but not 0) or above 65504.
 */
export function meanScheme(
  name: string,
  form: Pick<LinearForm, 'low' | 'high' | 'bias' | 'packing' | 'bits'>,
): CoderScheme<Resolved> {
  return coderScheme<Resolved>({
    name,
    resolve(given: MeanOptions) {
      requireOptions(name, given, { scales: true });
      return { scales: oneOf(name, 'scales', given.scales, ['f16', 'f32']) };
    },
    tensors: () => [],
    open: ({ scales }, columns) =>
      linearCoder({
        form: { columns, group: 'block', block: columns, from: 'mean', middle: 0, rounding: 'even', ...form },
        codes: 'U8',
        steps: scales,
      }),
  });
}
