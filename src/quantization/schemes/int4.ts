import { requireOptions } from '../../knownOptions.ts';
import { linearCoder } from '../codes/coder.ts';
import { badOption, oneOf, wholeNumber } from '../options.ts';
import { coderScheme } from '../scheme.ts';

export interface Int4Options {
  /** Columns that share a scale, a multiple of 8, 16 to 256; the last block of a row may be shorter. Default: 32. */
  readonly block?: number | undefined;
  /** `symmetric`: codes -7..7 around 0; `asymmetric`: 0..15 with a code of zero. Default: `symmetric`. */
  readonly mode?: 'symmetric' | 'asymmetric' | undefined;
  /** `minmax`: scales reach the largest value; `mse`: the one of twelve with the least squared error. Default: `minmax`. */
  readonly calibrate?: 'minmax' | 'mse' | undefined;
  /** Type of the scales. Default: `f16`. */
  readonly scales?: 'f16' | 'f32' | undefined;
}

interface Resolved {
  readonly [name: string]: string | number;
  readonly block: number;
  readonly mode: 'symmetric' | 'asymmetric';
  readonly calibrate: 'minmax' | 'mse';
  readonly scales: 'f16' | 'f32';
}

/**
 * Two numbers a byte, the first in the low half, with a scale for each block of a row: `value = (code - zero) * scale`, codes
 * -7..7 kept as `code + 8`, or 0..15. Parts: `codes` U8 [columns / 2, rounded up], `scales` F16 or F32 [blocks], with
 * `asymmetric` `zeros` U8 [blocks], a byte each. A scale in binary16 below 2^-14 may be 2^-24 wider than need be.
 *
 * Encoding throws SluiceError `QUANTIZE_VALUE` for NaN and infinities, and for blocks whose scale binary16 does not hold:
 * whose largest magnitude is above 458 thousand.
 */
export const int4 = coderScheme<Resolved>({
  name: 'int4',
  shorthand: 'block',
  resolve(given: Int4Options) {
    requireOptions('int4', given, { block: true, mode: true, calibrate: true, scales: true });
    const block = wholeNumber('int4', 'block', given.block ?? 32, 16, 256);
    if (block % 8 !== 0) throw badOption('int4', 'block', block, 'a multiple of 8');
    return {
      block,
      mode: oneOf('int4', 'mode', given.mode, ['symmetric', 'asymmetric']),
      calibrate: oneOf('int4', 'calibrate', given.calibrate, ['minmax', 'mse']),
      scales: oneOf('int4', 'scales', given.scales, ['f16', 'f32']),
    };
  },
  tensors: () => [],
  open({ block, mode, calibrate, scales }, columns) {
    const isSymmetric = mode === 'symmetric';
    return linearCoder({
      form: {
        columns,
        group: 'block',
        block: Math.min(block, columns),
        from: calibrate === 'mse' ? 'search' : isSymmetric ? 'magnitude' : 'extremes',
        middle: 0,
        low: isSymmetric ? -7 : 0,
        high: isSymmetric ? 7 : 15,
        bias: isSymmetric ? 8 : 0,
        rounding: 'even',
        packing: 'bits',
        bits: 4,
      },
      codes: 'U8',
      steps: scales === 'f16' ? 'f16Any' : 'f32',
      zeros: isSymmetric ? undefined : 'U8',
      isBlocked: true,
    });
  },
});
