import { fromF16, scaleF16, toF16 } from '../../kernels/blocks/half.ts';
import { roundEven } from '../../kernels/rounding.ts';
import type { SearchMethod } from './floatMatrix.ts';

const STEPS = 15;
/** How many steps the range is cut into: fewer than 15 widen it, more clip both of its ends. */
const CUTS = Float64Array.from({ length: 7 }, (_, i) => 13 + i);
const REFITS = 4;

/** What a block of 4-bit weights is kept with: `code * scale + minimum`, both binary16 numbers. */
export interface BlockLine {
  readonly scale: number;
  readonly minimum: number;
}

export interface BlockOptions {
  readonly method: SearchMethod;
  /** For `percentile`: the ends of the range are clipped to this magnitude. */
  readonly clip?: number | undefined;
  /** f64[values]: what an error counts, for `mse`; what counts nothing sets no ends either. Default: all alike. */
  readonly importance?: Float64Array | undefined;
}

/**
 * Scale and minimum of a block of weights.
 *
 * - `percentile`: the least weight is code 0, the largest one code 15, each as near as binary16 comes, with both ends
 *   clipped to a magnitude.
 * - `mse`: the least weighted sum of squared errors among the unclipped line and those through ranges of 13 to 19 steps; each is
 *   fitted to the codes it gives (least squares in two unknowns), rounded to binary16, and judged as rounded. The best is
 *   fitted again, up to four times, as long as the error falls.
 */
export function blockLine(values: Float32Array, options: BlockOptions): BlockLine {
  const { method, clip = Number.POSITIVE_INFINITY } = options;
  // where nothing counts, all do
  const importance = options.importance?.some((weight) => weight > 0) ? options.importance : undefined;
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const [i, value] of values.entries()) {
    if (importance?.[i] === 0) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (method === 'mse') return searchedLine(values, low, high, importance);
  const clipped = (value: number): number => Math.min(clip, Math.max(-clip, value));
  return spanning(clipped(low), clipped(high));
}

/** The code of a weight: the nearest, half to even, clipped at 0 and 15. */
export function blockCode(value: number, { scale, minimum }: BlockLine): number {
  if (scale === 0) return 0;
  const code = roundEven((value - minimum) / scale);
  // Math.min and Math.max would take three times as long here
  if (code > STEPS) return STEPS;
  if (code < 0) return 0;
  return code;
}

/** What a code stands for; see `QuantizedMatrix`. */
export function blockValue(code: number, { scale, minimum }: BlockLine): number {
  return Math.fround(Math.fround(code * scale) + minimum);
}

function spanning(low: number, high: number): BlockLine {
  const minimum = fromF16(toF16(low));
  const range = high - minimum;
  return { scale: range > 0 ? fromF16(scaleF16(range, STEPS)) : 0, minimum };
}

function searchedLine(
  values: Float32Array,
  low: number,
  high: number,
  importance: Float64Array | undefined,
): BlockLine {
  let best = fitOf(values, spanning(low, high), importance);
  const tryLine = (line: BlockLine): boolean => {
    const fit = fitOf(values, line, importance);
    if (!(fit.error < best.error)) return false;
    best = fit;
    return true;
  };
  for (const cuts of high > low ? CUTS : []) {
    const scale = (high - low) / cuts;
    tryLine(fitOf(values, { scale, minimum: (low + high - STEPS * scale) / 2 }, importance).refit);
  }
  for (let round = 0; round < REFITS && tryLine(best.refit); round++);
  return best.line;
}

interface Fit {
  readonly line: BlockLine;
  readonly error: number;
  /** The line of least squares for the codes that `line` gives, in binary16. */
  readonly refit: BlockLine;
}

function fitOf(values: Float32Array, line: BlockLine, importance: Float64Array | undefined): Fit {
  let error = 0;
  let n = 0;
  let c = 0;
  let cc = 0;
  let v = 0;
  let cv = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i] ?? 0;
    const weight = importance === undefined ? 1 : (importance[i] ?? 1);
    const code = blockCode(value, line);
    const off = value - blockValue(code, line);
    error += weight * off * off;
    n += weight;
    c += weight * code;
    cc += weight * code * code;
    v += weight * value;
    cv += weight * code * value;
  }
  const determinant = n * cc - c * c;
  const slope = determinant > 0 ? (n * cv - c * v) / determinant : 0;
  const scale = slope > 0 ? fromF16(toF16(slope)) : 0;
  // the minimum that suits the rounded scale
  const minimum = n > 0 ? fromF16(toF16((v - scale * c) / n)) : line.minimum;
  return { line, error, refit: { scale, minimum } };
}
