import { normalAt } from '../lsh/hyperplanes.ts';

/** Directions in the space of embeddings that are shown as x, y and z. */
export interface Axes {
  readonly dim: number;
  /** f64[dim]: mean of the sample's directions, which is taken off first. */
  readonly mean: Float64Array;
  /** Three unit vectors of f64[dim], at right angles; zeros where the space has fewer dimensions. */
  readonly axes: readonly [Float64Array, Float64Array, Float64Array];
}

/** Enough to tell axes of a picture apart; directions of nearly equal variance may still be mixed. */
const ITERATIONS = 24;

/**
 * The three directions in which the rows of a sample differ most (principal components of the rows' directions, by subspace
 * iteration). What comes of it depends on the sample alone: it begins at fixed vectors, and the sign of an axis is that which
 * makes its largest coordinate positive.
 *
 * @param rows f32[n * dim]; rows without a direction (norm 0) count for nothing
 */
export function principalAxes(rows: Float32Array, dim: number): Axes {
  const units = unitRows(rows, dim);
  const count = dim === 0 ? 0 : units.length / dim;
  const mean = new Float64Array(dim);
  for (let row = 0; row < count; row++) {
    for (let d = 0; d < dim; d++) mean[d] = (mean[d] ?? 0) + (units[row * dim + d] ?? 0) / count;
  }
  let axes = orthonormal(start(dim), dim);
  for (let i = 0; i < ITERATIONS && count > 0; i++) axes = orthonormal(multiplied(units, mean, axes, dim), dim);
  return { dim, mean, axes: [signed(axes[0]), signed(axes[1]), signed(axes[2])] };
}

type Three = [Float64Array, Float64Array, Float64Array];

const start = (dim: number): Three => {
  const column = (plane: number): Float64Array => Float64Array.from({ length: dim }, (_, d) => normalAt(plane, d));
  return [column(0), column(1), column(2)];
};

function unitRows(rows: Float32Array, dim: number): Float64Array {
  const units = new Float64Array(rows.length);
  let kept = 0;
  for (let at = 0; at + dim <= rows.length && dim > 0; at += dim) {
    const norm = normOf(rows, at, dim);
    if (norm === 0) continue;
    for (let d = 0; d < dim; d++) units[kept + d] = (rows[at + d] ?? 0) / norm;
    kept += dim;
  }
  return units.subarray(0, kept);
}

/** L2 norm of a row; squares of float32 fit into a double. */
export function normOf(rows: Float32Array, at: number, dim: number): number {
  let sum = 0;
  for (let d = at; d < at + dim; d++) sum += (rows[d] ?? 0) ** 2;
  return Math.sqrt(sum);
}

/** (X - mean)^T (X - mean) V. */
function multiplied(units: Float64Array, mean: Float64Array, axes: Three, dim: number): Three {
  const out: Three = [new Float64Array(dim), new Float64Array(dim), new Float64Array(dim)];
  const moved = new Float64Array(dim);
  for (let at = 0; at < units.length; at += dim) {
    for (let d = 0; d < dim; d++) moved[d] = (units[at + d] ?? 0) - (mean[d] ?? 0);
    for (const [k, axis] of axes.entries()) {
      const length = dot(moved, axis);
      const sum = out[k] ?? moved;
      for (let d = 0; d < dim; d++) sum[d] = (sum[d] ?? 0) + length * (moved[d] ?? 0);
    }
  }
  return out;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let d = 0; d < a.length; d++) sum += (a[d] ?? 0) * (b[d] ?? 0);
  return sum;
}

/** Gram-Schmidt. What has nothing left becomes the first coordinate axis that does; beyond `dim` there is none. */
function orthonormal(vectors: Three, dim: number): Three {
  const done: Float64Array[] = [];
  for (const vector of vectors) {
    let found = rest(vector, done);
    for (let d = 0; d < dim && found === undefined; d++) found = rest(basis(dim, d), done);
    done.push(found ?? new Float64Array(dim));
  }
  const [a = new Float64Array(dim), b = new Float64Array(dim), c = new Float64Array(dim)] = done;
  return [a, b, c];
}

const basis = (dim: number, axis: number): Float64Array => {
  const vector = new Float64Array(dim);
  vector[axis] = 1;
  return vector;
};

/** A unit vector of what is at right angles to the others; undefined where that is nothing but rounding. */
function rest(vector: Float64Array, others: readonly Float64Array[]): Float64Array | undefined {
  const whole = Math.sqrt(dot(vector, vector));
  if (whole === 0) return undefined;
  const out = vector.map((x) => x / whole);
  // Twice is enough: the first time leaves rounding behind.
  for (let round = 0; round < 2; round++) {
    for (const other of others) {
      const length = dot(out, other);
      for (let d = 0; d < out.length; d++) out[d] = (out[d] ?? 0) - length * (other[d] ?? 0);
    }
  }
  const left = Math.sqrt(dot(out, out));
  return left < 1e-9 ? undefined : out.map((x) => x / left);
}

function signed(axis: Float64Array): Float64Array {
  let largest = 0;
  for (const x of axis) if (Math.abs(x) > Math.abs(largest)) largest = x;
  return largest < 0 ? axis.map((x) => -x) : axis;
}
