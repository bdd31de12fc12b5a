import { levelsOf } from '../../kernels/quantise/levels.ts';
import { requireOptions } from '../../knownOptions.ts';
import { type Calibration, calibrateRange } from '../codes/calibrate.ts';
import { linearCoder } from '../codes/coder.ts';
import { type LinearForm, SMALLEST_NORMAL } from '../codes/linear.ts';
import { badOption, oneOf, percentileOf, refuseIdle, wholeNumber } from '../options.ts';
import { coderScheme } from '../scheme.ts';

const { fround } = Math;

export interface VariableOptions {
  /** Of a code, 1 to 16. Default: 8. */
  readonly bits?: number | undefined;
  /** Halves go to the even neighbour, or away from zero. Default: `even`. */
  readonly rounding?: 'even' | 'away' | undefined;
  /**
   * What becomes 1: a number; the largest magnitude of each `row`; or one number for all that is learned from a sample:
   * `minmax`, `percentile`, `mse`. What lies beyond is clipped. Default: 1.
   */
  readonly range?: number | 'row' | Calibration | undefined;
  /** Percent of magnitudes that the range `percentile` keeps. Default: 99.9. */
  readonly percentile?: number | undefined;
  /** Its ends become -1 and 1, for what is never below 0; in place of `range`. */
  readonly interval?: readonly [low: number, high: number] | undefined;
}

interface Resolved {
  readonly [name: string]: string | number | null | readonly number[];
  readonly bits: number;
  readonly rounding: 'even' | 'away';
  readonly range: number | 'row' | Calibration;
  readonly percentile: number;
  readonly interval: readonly [number, number] | null;
}

/** Of ranges and intervals, so that their inverses are normal float32 numbers. */
const LEAST_WIDTH = 2 ** -100;
const MOST_WIDTH = 2 ** 100;
const learnedRanges: readonly unknown[] = ['minmax', 'percentile', 'mse'];

/**
 * So many bits a number, 1 to 16, over one range: `code = round(clip(x / range, -1, 1) * levels)` with
 * `levels = 2^(bits - 1) - 1`, `value = code / levels * range`. The quotient and the product by `levels` are one product with
 * the float32 next to `levels / range`; with a range of 1 codes and values are those of the kernel `quantiseVector`. Kept is
 * `code + levels`, `bits` bits each, lowest bit first, rows padded to whole bytes. With one bit there is no level but 0.
 * Parts: `codes` U8 [columns * bits / 8, rounded up]; with the range `row`, `scales` F32 [], a row's largest magnitude.
 * Learned where the range is: `range` [1].
 *
 * Encoding throws SluiceError `QUANTIZE_VALUE` for NaN and infinities, and with the range `row` and 2 or 3 bits for rows that
 * reach above 8.5e37.
 */
export const variable = coderScheme<Resolved>({
  name: 'variable',
  shorthand: 'bits',
  resolve(given: VariableOptions) {
    requireOptions('variable', given, { bits: true, rounding: true, range: true, percentile: true, interval: true });
    const range = rangeOption(given.range);
    if (range !== 'percentile') refuseIdle('variable', given, { percentile: 99.9 }, `range is ${range}`);
    if (given.interval != null) refuseIdle('variable', given, { range: 1 }, 'interval stands in its place');
    return {
      bits: wholeNumber('variable', 'bits', given.bits ?? 8, 1, 16),
      rounding: oneOf('variable', 'rounding', given.rounding, ['even', 'away']),
      range,
      percentile: percentileOf('variable', given.percentile),
      interval: intervalOption(given.interval),
    };
  },
  learns: ({ range }) => learnedRanges.includes(range),
  tensors: ({ range }) => (learnedRanges.includes(range) ? [{ name: 'range', shape: [1] }] : []),
  train({ bits, range, percentile }, { rows }) {
    if (range !== 'minmax' && range !== 'percentile' && range !== 'mse') return [];
    const steps = Math.max(2, 2 * levelsOf(bits));
    const { most } = calibrateRange(rows, true, steps, { calibrate: range, percentile });
    // a range of nothing but zeros holds nothing else
    const width = Math.min(MOST_WIDTH, Math.max(LEAST_WIDTH, most));
    return [{ name: 'range', shape: [1], values: Float32Array.of(width) }];
  },
  open({ bits, rounding, range, interval }, columns, [learned]) {
    const levels = levelsOf(bits);
    const [low, high] = interval ?? [0, 0];
    const middle = normalOr0(low / 2 + high / 2);
    const width =
      interval !== null ? high / 2 - low / 2 : typeof range === 'number' ? range : (learned?.values[0] ?? 1);
    if (!(width >= LEAST_WIDTH && width <= MOST_WIDTH)) throw badOption('variable', 'range', width, '2^-100 to 2^100');
    const form: LinearForm = {
      columns,
      group: range === 'row' ? 'block' : 'tensor',
      block: columns,
      from: range === 'row' ? 'magnitude' : 'fixed',
      middle,
      low: -levels,
      high: levels,
      bias: levels,
      rounding,
      packing: 'bits',
      bits,
    };
    const divisor = Math.max(1, levels);
    if (range === 'row') return linearCoder({ form, codes: 'U8', steps: 'magnitude', divisor });
    const scales = Float32Array.of(width);
    const inverses = Float32Array.of(levels / (scales[0] ?? 1));
    return linearCoder({ form, codes: 'U8', fixed: { inverses, zeros: Int32Array.of(0), scales }, divisor });
  },
});

function rangeOption(range: unknown): Resolved['range'] {
  if (range === undefined) return 1;
  if (range === 'row' || range === 'minmax' || range === 'percentile' || range === 'mse') return range;
  if (typeof range === 'number' && range >= LEAST_WIDTH && range <= MOST_WIDTH) return range;
  throw badOption('variable', 'range', range, 'a number above 0, row, minmax, percentile or mse');
}

function intervalOption(interval: unknown): Resolved['interval'] {
  if (interval === undefined || interval === null) return null;
  const [low, high, ...more]: readonly unknown[] = Array.isArray(interval) ? interval : [];
  if (typeof low === 'number' && typeof high === 'number' && more.length === 0) {
    const isHeld = Math.abs(low) <= MOST_WIDTH && Math.abs(high) <= MOST_WIDTH;
    if (isHeld && high - low >= 2 * LEAST_WIDTH) return [low, high];
  }
  throw badOption('variable', 'interval', interval, 'two numbers, the lower one first');
}

function normalOr0(value: number): number {
  return Math.abs(value) < SMALLEST_NORMAL ? 0 : fround(value);
}
