import { SluiceError } from '../../errors.ts';
import { roundEven } from '../../kernels/rounding.ts';
import { nearestRank } from '../nearestRank.ts';
import { stepOf } from './steps.ts';

const { fround } = Math;

export type Calibration = 'minmax' | 'percentile' | 'mse';

export interface CalibrationOptions {
  readonly calibrate: Calibration;
  /** Of magnitudes, or of values at either end. */
  readonly percentile: number;
}

/** Range of values that codes are for; what lies beyond is clipped. 0 belongs to it. */
export interface ValueRange {
  readonly least: number;
  readonly most: number;
}

/** Parts of the whole range that `mse` tries, in 64ths. */
const PARTS = Array.from({ length: 52 }, (_, i) => 64 - i);

/**
 * The range of values found in a sample:
 *
 * - `minmax`: from the least to the largest
 * - `percentile`: as many percent of magnitudes by nearest rank; with `isSymmetric` false, of the values below and of
 *   those above 0 each
 * - `mse`: that part of the whole range, 64/64 to 13/64, whose codes have the least sum of squared errors, the largest of
 *   equals; the sum is of the sample in its order, in double precision
 *
 * @param isSymmetric `least` is `-most`
 * @param steps codes between the two ends: 254 of 8 bits that are symmetric, else 255
 * @throws SluiceError `QUANTIZE_SAMPLE` without values, `QUANTIZE_VALUE` for NaN and infinities
 */
export function calibrateRange(
  values: Float32Array,
  isSymmetric: boolean,
  steps: number,
  { calibrate, percentile }: CalibrationOptions,
): ValueRange {
  if (values.length === 0) {
    throw new SluiceError('there are no rows to take a range from', {
      code: 'QUANTIZE_SAMPLE',
      hint: 'give a sample of at least one row',
    });
  }
  if (calibrate === 'percentile') return percentileRange(values, isSymmetric, percentile);
  const whole = wholeRange(values, isSymmetric);
  return calibrate === 'mse' ? leastError(values, isSymmetric, steps, whole) : whole;
}

function wholeRange(values: Float32Array, isSymmetric: boolean): ValueRange {
  let [least, most] = [0, 0];
  for (const value of values) {
    if (!Number.isFinite(value)) {
      throw new SluiceError(`the sample holds ${value}`, {
        code: 'QUANTIZE_VALUE',
        hint: 'only finite numbers can be quantized; find out where this one comes from',
      });
    }
    least = Math.min(least, value);
    most = Math.max(most, value);
  }
  if (!isSymmetric) return { least, most };
  const magnitude = Math.max(-least, most);
  return { least: -magnitude, most: magnitude };
}

function percentileRange(values: Float32Array, isSymmetric: boolean, percentile: number): ValueRange {
  wholeRange(values, isSymmetric);
  if (isSymmetric) {
    const most = nearestRank(values.map(Math.abs), percentile);
    return { least: -most, most };
  }
  const below = values.filter((value) => value < 0).map(Math.abs);
  const above = values.filter((value) => value > 0);
  return { least: -nearestRank(below, percentile), most: nearestRank(above, percentile) };
}

function leastError(values: Float32Array, isSymmetric: boolean, steps: number, whole: ValueRange): ValueRange {
  let best = whole;
  let leastSum = Number.POSITIVE_INFINITY;
  for (const part of PARTS) {
    const range = { least: fround((whole.least * part) / 64), most: fround((whole.most * part) / 64) };
    const sum = errorOf(values, isSymmetric, steps, range);
    if (sum >= leastSum) continue;
    leastSum = sum;
    best = range;
  }
  return best;
}

function errorOf(values: Float32Array, isSymmetric: boolean, steps: number, { least, most }: ValueRange): number {
  // such a step is not kept: all values become 0
  if (stepOf(most - least, steps) === 0) return values.reduce((sum, value) => sum + value * value, 0);
  const step = (most - least) / steps;
  // a symmetric range has codes to both sides of 0; the other has them from that of its least value on
  const low = isSymmetric ? -steps / 2 : roundEven(least / step);
  const high = low + steps;
  let sum = 0;
  for (const value of values) {
    const code = Math.max(low, Math.min(high, roundEven(value / step)));
    const error = value - code * step;
    sum += error * error;
  }
  return sum;
}
