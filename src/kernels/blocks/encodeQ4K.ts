import { fromF16, scaleF16, toF16 } from './half.ts';

/** Values of a sub-block are `scale * weight - minimum`; neither number may be below 0. */
interface Line {
  readonly scale: number;
  readonly minimum: number;
  readonly error: number;
}

/** A block without its weights, which follow from it: each is the nearest that there is. */
interface Steps {
  /** Binary16. */
  readonly d: number;
  readonly dmin: number;
  /** 6 bits for each sub-block. */
  readonly scales: Uint8Array;
  readonly minima: Uint8Array;
  /** Sum of the squared errors. */
  readonly error: number;
}

/** How many steps a sub-block's range is cut into: 15, and somewhat fewer or more, which widens or clips the range. */
const CUTS = Float64Array.from({ length: 15 }, (_, i) => 13.6 + 0.2 * i);

/**
 * Encodes Q4_K blocks: 256 values in 8 sub-blocks of 32, `d * scale * weight - dmin * minimum`. For each sub-block the
 * line of least squares is searched over several ranges; its two numbers are then put into the steps that the block's
 * binary16 numbers allow, and those are fitted again to what came out.
 */
export function encodeQ4K(source: Float32Array, target: Uint8Array): void {
  for (let from = 0, to = 0; from < source.length; from += 256, to += 144) {
    const values = source.subarray(from, from + 256);
    pack(values, bestSteps(values), target, to);
  }
}

function bestSteps(values: Float32Array): Steps {
  const lines = Array.from({ length: 8 }, (_, sub) => bestLine(values.subarray(32 * sub, 32 * sub + 32)));
  const d = scaleF16(Math.max(...lines.map((line) => line.scale)), 63);
  const dmin = scaleF16(Math.max(...lines.map((line) => line.minimum)), 63);
  const first = stepsFor(values, lines, d, dmin);
  const second = stepsFor(values, lines, ...refitted(values, first));
  return second.error < first.error ? second : first;
}

function bestLine(values: Float32Array): Line {
  let low = 0;
  let high = Number.NEGATIVE_INFINITY;
  let sum = 0;
  let squares = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i] ?? 0;
    low = Math.min(low, value);
    high = Math.max(high, value);
    sum += value;
    squares += value * value;
  }
  if (high <= low) return { scale: 0, minimum: -low, error: 0 };
  let best: Line = { scale: (high - low) / 15, minimum: -low, error: Number.POSITIVE_INFINITY };
  for (const cuts of CUTS) {
    const line = fitted(values, (high - low) / cuts, -low, sum, squares);
    if (line.error < best.error) best = line;
  }
  const again = fitted(values, best.scale, best.minimum, sum, squares);
  return again.error < best.error ? again : best;
}

/** The line of least squares through the weights that another line gives. */
function fitted(values: Float32Array, scale: number, minimum: number, sum: number, squares: number): Line {
  const inverse = scale === 0 ? 0 : 1 / scale;
  let q = 0;
  let qq = 0;
  let qx = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i] ?? 0;
    const weight = nearest(value, inverse, minimum);
    q += weight;
    qq += weight * weight;
    qx += weight * value;
  }
  const n = values.length;
  const determinant = n * qq - q * q;
  let slope = (n * qx - q * sum) / determinant;
  let below = (q * qx - qq * sum) / determinant;
  if (!(below >= 0)) {
    below = 0;
    slope = qq === 0 ? 0 : qx / qq;
  }
  if (!(slope >= 0)) {
    slope = 0;
    below = Math.max(0, -sum / n);
  }
  const error =
    squares - 2 * slope * qx + 2 * below * sum + slope * slope * qq - 2 * slope * below * q + n * below * below;
  return { scale: slope, minimum: below, error };
}

/** The best 6-bit numbers for every sub-block, next to its line. */
function stepsFor(values: Float32Array, lines: readonly Line[], d: number, dmin: number): Steps {
  const scales = new Uint8Array(8);
  const minima = new Uint8Array(8);
  let total = 0;
  for (const [sub, line] of lines.entries()) {
    const part = values.subarray(32 * sub, 32 * sub + 32);
    let least = Number.POSITIVE_INFINITY;
    for (const scale of neighbours(line.scale, fromF16(d))) {
      for (const minimum of neighbours(line.minimum, fromF16(dmin))) {
        const error = errorOf(part, fromF16(d) * scale, fromF16(dmin) * minimum);
        if (error >= least) continue;
        least = error;
        scales[sub] = scale;
        minima[sub] = minimum;
      }
    }
    total += least;
  }
  return { d, dmin, scales, minima, error: total };
}

/** The 6-bit numbers around `wanted / step`. */
function neighbours(wanted: number, step: number): number[] {
  if (step === 0) return [0];
  const middle = Math.min(63, Math.round(wanted / step));
  return [middle, middle - 1, middle + 1].filter((number) => number >= 0 && number <= 63);
}

function errorOf(values: Float32Array, scale: number, minimum: number): number {
  const inverse = scale === 0 ? 0 : 1 / scale;
  let error = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i] ?? 0;
    const off = value + minimum - scale * nearest(value, inverse, minimum);
    error += off * off;
  }
  return error;
}

/** The two binary16 numbers of least squares for the block's weights, scales and minima. */
function refitted(values: Float32Array, { d, dmin, scales, minima }: Steps): [d: number, dmin: number] {
  let aa = 0;
  let ab = 0;
  let bb = 0;
  let ax = 0;
  let bx = 0;
  for (let sub = 0; sub < 8; sub++) {
    const scale = fromF16(d) * (scales[sub] ?? 0);
    const minimum = fromF16(dmin) * (minima[sub] ?? 0);
    const inverse = scale === 0 ? 0 : 1 / scale;
    const b = minima[sub] ?? 0;
    for (let i = 32 * sub; i < 32 * sub + 32; i++) {
      const value = values[i] ?? 0;
      const a = (scales[sub] ?? 0) * nearest(value, inverse, minimum);
      aa += a * a;
      ab += a * b;
      bb += b * b;
      ax += a * value;
      bx += b * value;
    }
  }
  const determinant = aa * bb - ab * ab;
  const newD = determinant === 0 ? ax / aa : (ax * bb - bx * ab) / determinant;
  const newDmin = determinant === 0 ? 0 : (ax * ab - bx * aa) / determinant;
  return [newD > 0 ? toF16(newD) : d, newDmin > 0 ? toF16(newDmin) : dmin];
}

function nearest(value: number, inverse: number, minimum: number): number {
  const weight = (value + minimum) * inverse + 0.5;
  return weight >= 15 ? 15 : weight > 0 ? weight | 0 : 0;
}

function pack(values: Float32Array, { d, dmin, scales, minima }: Steps, target: Uint8Array, to: number): void {
  target.set([d, d >>> 8, dmin, dmin >>> 8], to);
  for (let sub = 0; sub < 4; sub++) {
    const scale = scales[sub + 4] ?? 0;
    const minimum = minima[sub + 4] ?? 0;
    target[to + 4 + sub] = (scales[sub] ?? 0) | ((scale >> 4) << 6);
    target[to + 8 + sub] = (minima[sub] ?? 0) | ((minimum >> 4) << 6);
    target[to + 12 + sub] = (scale & 15) | ((minimum & 15) << 4);
  }
  for (let sub = 0; sub < 8; sub++) {
    const scale = fromF16(d) * (scales[sub] ?? 0);
    const minimum = fromF16(dmin) * (minima[sub] ?? 0);
    const inverse = scale === 0 ? 0 : 1 / scale;
    const at = to + 16 + 32 * (sub >> 1);
    for (let i = 0; i < 32; i++) {
      const weight = nearest(values[32 * sub + i] ?? 0, inverse, minimum);
      target[at + i] = sub & 1 ? (target[at + i] ?? 0) | (weight << 4) : weight;
    }
  }
}
