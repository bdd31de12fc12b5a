import { normalScale, roundEven } from '../../kernels/rounding.ts';
import { DEFAULT_PERCENTILE, largestMagnitude, magnitudeAt, type RoundingOptions } from './floatMatrix.ts';

/** Parts of the largest magnitude that are tried as the end of the codes, and the step between them. */
const COARSE_STEP = 1 / 32;
const COARSE_STEPS = 26;
const FINE_STEPS = 4;
const REFITS = 4;

/**
 * The scale of weights that are kept as `code * scale`, with codes from `-limit` to `limit`: float32, zero where all
 * weights are. `values` are whole rows of as many inputs as `importance` has.
 *
 * - `percentile`: that percentile of the magnitudes is the last code; what lies beyond is clipped. Of weights that are
 *   mostly zero, where it would be zero, the largest magnitude.
 * - `mse`: the least weighted sum of squared errors over ends from the largest magnitude down to a fifth of it, in steps
 *   of 1/32 and around the best of those in steps of 1/128; then the codes that this gives say which scale fits them best
 *   (`sum(w * code) / sum(code^2)`), up to four times, as long as the error falls.
 */
export function symmetricScale(
  values: Float32Array,
  limit: number,
  { method, percentile = DEFAULT_PERCENTILE, importance }: RoundingOptions,
): number {
  const most = largestMagnitude(values);
  if (most === 0) return 0;
  if (method === 'percentile') return normalScale((magnitudeAt(values, percentile) || most) / limit);
  return searchedScale(values, limit, most, importance);
}

/** The code of a weight: the nearest, half to even, clipped at `-limit` and `limit`. */
export function symmetricCode(value: number, scale: number, limit: number): number {
  if (scale === 0) return 0;
  return clip(roundEven(value / scale), limit);
}

/** Without Math.min and Math.max, which take three times as long here. */
function clip(code: number, limit: number): number {
  if (code > limit) return limit;
  if (code < -limit) return -limit;
  return code;
}

interface Fit {
  readonly scale: number;
  readonly error: number;
  /** The part of the error that is of weights beyond the last code: it only grows as the scale falls. */
  readonly clipped: number;
  /** The scale of least squares for the codes that `scale` gives. */
  readonly refit: number;
}

function searchedScale(values: Float32Array, limit: number, most: number, importance?: Float64Array): number {
  const at = (end: number): Fit => fitOf(values, normalScale((most * end) / limit), limit, importance);
  let best = at(1);
  let bestEnd = 1;
  const tryEnd = (end: number): Fit => {
    const fit = at(end);
    if (fit.error < best.error) {
      best = fit;
      bestEnd = end;
    }
    return fit;
  };
  for (let step = 1; step < COARSE_STEPS; step++) {
    // what is clipped already costs more than the best: so does everything below
    if (tryEnd(1 - step * COARSE_STEP).clipped >= best.error) break;
  }
  const middle = bestEnd;
  for (let step = FINE_STEPS - 1; step > -FINE_STEPS; step--) {
    if (step !== 0 && tryEnd(middle + (step * COARSE_STEP) / FINE_STEPS).clipped >= best.error) break;
  }
  for (let round = 0; round < REFITS; round++) {
    const fit = fitOf(values, normalScale(best.refit), limit, importance);
    if (fit.error >= best.error) break;
    best = fit;
  }
  return best.scale;
}

function fitOf(values: Float32Array, scale: number, limit: number, importance?: Float64Array): Fit {
  let error = 0;
  let clipped = 0;
  let codesValues = 0;
  let codesCodes = 0;
  const inputs = importance?.length ?? values.length;
  for (let i = 0, input = 0; i < values.length; i++) {
    const value = values[i] ?? 0;
    const wanted = scale === 0 ? 0 : roundEven(value / scale);
    const code = clip(wanted, limit);
    const off = value - Math.fround(code * scale);
    const weight = importance === undefined ? 1 : (importance[input] ?? 1);
    const cost = weight * off * off;
    error += cost;
    if (code !== wanted) clipped += cost;
    codesValues += weight * value * code;
    codesCodes += weight * code * code;
    if (++input === inputs) input = 0;
  }
  return { scale, error, clipped, refit: codesCodes === 0 ? 0 : Math.abs(codesValues / codesCodes) };
}
