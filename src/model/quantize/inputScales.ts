import type { FloatMatrix } from './floatMatrix.ts';
import type { Gram, Products } from './products.ts';

/** Exponents are sixteenths: powers of them need square roots alone, which are the same on every machine. */
const DENOMINATOR = 16;
/** Every fourth one is tried, then those around the best, two steps and one step away. */
const COARSE = [4, 8, 12, 16];
const FINER = [2, 1];
/** Of the largest mean magnitude: inputs that are nearly always zero count as this. */
const LEAST_SHARE = 1e-4;

/** What a matrix stands for once it is rounded: f32[out, in]. */
export type Rounder = (matrix: FloatMatrix, importance: Float64Array) => Float32Array;

/** A matrix whose outputs count. */
export interface Judged {
  readonly matrix: FloatMatrix;
  readonly gram: Gram;
  /** f64[out]: what a squared error of an output counts. Default: all alike. */
  readonly outputs?: Float64Array | undefined;
}

/** Matrices that read the same inputs, and what may be scaled to relieve them. */
export interface ScaledInputs {
  /** All of one gram. */
  readonly readers: readonly Judged[];
  /** Which scale each input has; inputs of one number share one. Default: each its own. */
  readonly channels?: Int32Array | undefined;
  /** What gives the inputs, if its rows must be divided by the scales and that costs anything there. */
  readonly writer?: Judged | undefined;
}

export interface InputScales {
  /** 0 to 1; 0 where no scales are better than none. */
  readonly exponent: number;
  /** f32[channels]: what the columns are multiplied with, and what gives the inputs divided by. */
  readonly scales: Float32Array;
  /** Squared errors of the outputs, in parts of the outputs' energy; the sum over the matrices. */
  readonly error: number;
  /** The same without scales. */
  readonly plainError: number;
}

/**
 * Scales of inputs that make rounding of the weights behind them cost least (AWQ, arXiv 2306.00978).
 *
 * Multiplied by a scale, a column is rounded more finely, as long as its row's or block's scale does not grow with it; the
 * input is divided by the same number, so that the float model stays what it is. Columns whose inputs are large need that
 * most: the scale of input i is `mean(|x_i|)^a`, and the exponent a is tried from 0 (no scales) to 1. What is measured is
 * the outputs' error over all inputs that were seen, `d^T H d` for each row's error d, with H the sum of `x x^T`.
 *
 * Scales are brought to a middle of 1: the root of the largest times the least. Equal exponents: the smaller one stays.
 */
export async function inputScales(given: ScaledInputs, round: Rounder, products: Products): Promise<InputScales> {
  const roots = rootsOf(channelMagnitudes(given));
  const energies = new Map<Judged, number>();
  const judged = [...given.readers, ...(given.writer === undefined ? [] : [given.writer])];
  for (const one of judged) {
    energies.set(
      one,
      weightedSum(await products.quadratic(Float64Array.from(one.matrix.values), one.gram), one.outputs),
    );
  }
  const measure = async (exponent: number): Promise<InputScales> => {
    const scales = scalesOf(roots, exponent);
    let error = 0;
    for (const one of judged) {
      const energy = energies.get(one) ?? 0;
      if (energy === 0) continue;
      const cost =
        one === given.writer
          ? writerCost(one, scales, round, products)
          : readerCost(one, scales, given.channels, round, products);
      error += (await cost) / energy;
    }
    return { exponent: exponent / DENOMINATOR, scales, error, plainError: error };
  };
  const plain = await measure(0);
  let best = plain;
  let bestExponent = 0;
  const attempt = async (exponent: number): Promise<void> => {
    const found = await measure(exponent);
    if (!(found.error < best.error)) return;
    best = found;
    bestExponent = exponent;
  };
  for (const exponent of COARSE) await attempt(exponent);
  for (const step of FINER) {
    const middle = bestExponent;
    for (const exponent of [middle - step, middle + step]) {
      if (exponent > 0 && exponent < DENOMINATOR) await attempt(exponent);
    }
  }
  return { ...best, plainError: plain.error };
}

/** A matrix with its columns multiplied, rounded to float32. */
export function scaledColumns(matrix: FloatMatrix, scales: Float32Array, channels?: Int32Array): FloatMatrix {
  const { inputs, values } = matrix;
  return {
    ...matrix,
    values: values.map((value, i) => {
      const input = i % inputs;
      return value * (scales[channels?.[input] ?? input] ?? 1);
    }),
  };
}

/** A matrix with its rows divided, rounded to float32. */
export function dividedRows(matrix: FloatMatrix, scales: Float32Array): FloatMatrix {
  const { inputs, values } = matrix;
  return { ...matrix, values: values.map((value, i) => value / (scales[Math.floor(i / inputs)] ?? 1)) };
}

/** f64[in]: the mean square of each input, once it is divided by its scale. */
export function inputImportance(gram: Gram, scales?: Float32Array, channels?: Int32Array): Float64Array {
  const { inputs, tokens, products } = gram;
  return Float64Array.from({ length: inputs }, (_, i) => {
    const scale = scales?.[channels?.[i] ?? i] ?? 1;
    return (products[i * inputs + i] ?? 0) / (Math.max(1, tokens) * scale * scale);
  });
}

/** What rounding a reader costs once its columns are scaled. */
async function readerCost(
  { matrix, gram, outputs }: Judged,
  scales: Float32Array,
  channels: Int32Array | undefined,
  round: Rounder,
  products: Products,
): Promise<number> {
  const rounded = round(scaledColumns(matrix, scales, channels), inputImportance(gram, scales, channels));
  const off = errors(matrix, rounded, (_, input) => 1 / (scales[channels?.[input] ?? input] ?? 1));
  return weightedSum(await products.quadratic(off, gram), outputs);
}

/** What rounding a writer costs once its rows are divided. */
async function writerCost(
  { matrix, gram, outputs }: Judged,
  scales: Float32Array,
  round: Rounder,
  products: Products,
): Promise<number> {
  const rounded = round(dividedRows(matrix, scales), inputImportance(gram));
  const off = errors(matrix, rounded, (output) => scales[output] ?? 1);
  return weightedSum(await products.quadratic(off, gram), outputs);
}

function errors(
  { inputs, values }: FloatMatrix,
  rounded: Float32Array,
  factor: (output: number, input: number) => number,
): Float64Array {
  const off = new Float64Array(values.length);
  for (let i = 0, output = 0; i < off.length; output++) {
    for (let input = 0; input < inputs; input++, i++)
      off[i] = (rounded[i] ?? 0) * factor(output, input) - (values[i] ?? 0);
  }
  return off;
}

function weightedSum(values: Float64Array, weights: Float64Array | undefined): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += (weights?.[i] ?? 1) * (values[i] ?? 0);
  return sum;
}

/** Mean magnitude of the inputs of each channel, but for a factor that all have. */
function channelMagnitudes({ readers, channels }: ScaledInputs): Float64Array {
  const magnitudes = readers[0]?.gram.magnitudes ?? new Float64Array(0);
  if (channels === undefined) return magnitudes;
  const sums = new Float64Array(channels.reduce((most, channel) => Math.max(most, channel + 1), 0));
  for (const [input, channel] of channels.entries()) sums[channel] = (sums[channel] ?? 0) + (magnitudes[input] ?? 0);
  return sums;
}

/** Of each magnitude its square root, the root of that, and so on: powers of 1/2, 1/4, 1/8 and 1/16. */
function rootsOf(magnitudes: Float64Array): readonly Float64Array[] {
  const most = magnitudes.reduce((a, b) => Math.max(a, b), 0);
  const roots = [magnitudes.map((value) => (most === 0 ? 1 : Math.max(value / most, LEAST_SHARE)))];
  for (let size = DENOMINATOR; size > 1; size /= 2) roots.push((roots.at(-1) ?? magnitudes).map(Math.sqrt));
  return roots;
}

function scalesOf(roots: readonly Float64Array[], exponent: number): Float32Array {
  const powers = new Float64Array(roots[0]?.length ?? 0).fill(1);
  for (const [index, root] of roots.entries()) {
    if (exponent & (DENOMINATOR >> index))
      for (let i = 0; i < powers.length; i++) powers[i] = (powers[i] ?? 1) * (root[i] ?? 1);
  }
  const least = powers.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const most = powers.reduce((a, b) => Math.max(a, b), 0);
  const middle = Math.sqrt(least * most);
  return Float32Array.from(powers, (power) => power / middle);
}
