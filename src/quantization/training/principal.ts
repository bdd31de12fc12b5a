import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import { SluiceError } from '../../errors.ts';
import { powerBelow } from '../../kernels/rounding.ts';
import type { TrainingSample } from '../scheme.ts';
import { Moments } from './moments.ts';

/** Axes of rows by falling variance. */
export interface PrincipalAxes {
  /** f32[columns]. */
  readonly mean: Float32Array<ArrayBuffer>;
  /** f32[columns, columns]: orthonormal rows. */
  readonly axes: Float32Array<ArrayBuffer>;
  /** f64[columns]: of the rows along each axis, divided by their number; none is negative. */
  readonly variances: Float64Array<ArrayBuffer>;
}

/**
 * Principal axes of what a sample was drawn from, or of its rows where the moments of all are not known.
 *
 * An axis has the sign that makes its number of the largest magnitude positive, the first of several. Variances that do not
 * rise above the rounding of the largest one (below columns * 2^-52 of it) are zero; axes of equal variances span what they
 * span together, each of them as the decomposition gives it, which is the same on every machine.
 *
 * @throws SluiceError `QUANTIZE_SAMPLE` with fewer than two rows, or where a variance is no float32 number
 */
export function principalAxes({ columns, rows, moments: given }: TrainingSample): PrincipalAxes {
  const moments = given ?? momentsOf(rows, columns);
  if (moments.count < 2) {
    throw new SluiceError(`variances of ${moments.count} rows are unknown`, {
      code: 'QUANTIZE_SAMPLE',
      hint: 'give it at least two rows, better ten times as many as columns',
    });
  }
  const { values, vectors } = symmetricEigen(moments.covariance, columns);
  const least = (values[0] ?? 0) * columns * 2 ** -52;
  if (!Number.isFinite(Math.fround(values[0] ?? 0))) {
    throw new SluiceError(`a variance of ${values[0]} does not fit float32`, {
      code: 'QUANTIZE_SAMPLE',
      hint: 'numbers beyond 1e19 have no place in what is learned: find out where they come from',
    });
  }
  const axes = new Float32Array(columns * columns);
  for (let axis = 0; axis < columns; axis++) {
    const vector = vectors.subarray(axis * columns, (axis + 1) * columns);
    const sign = (vector[largestMagnitude(vector)] ?? 0) < 0 ? -1 : 1;
    for (let i = 0; i < columns; i++) axes[axis * columns + i] = sign * (vector[i] ?? 0);
  }
  return {
    mean: Float32Array.from(moments.mean),
    axes,
    variances: values.map((value) => (value <= least ? 0 : value)),
  };
}

function momentsOf(rows: Float32Array, columns: number): Moments {
  const moments = new Moments(columns);
  moments.add(rows);
  return moments;
}

/** Eigenvalues, falling, and eigenvectors as rows, of a symmetric matrix f64[size, size]. */
function symmetricEigen(
  matrix: Float64Array,
  size: number,
): { values: Float64Array<ArrayBuffer>; vectors: Float64Array<ArrayBuffer> } {
  // numbers become about 1, so that squares of them neither overflow nor vanish
  const scale = powerBelow(matrix.reduce((most, value) => Math.max(most, Math.abs(value)), 0));
  const scaled = new Matrix(size, size);
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < size; j++) scaled.set(i, j, (matrix[i * size + j] ?? 0) / scale);
  }
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(scaled, { assumeSymmetric: true });
  const order = realEigenvalues.map((_, i) => i);
  order.sort((a, b) => (realEigenvalues[b] ?? 0) - (realEigenvalues[a] ?? 0) || a - b);
  const values = Float64Array.from(order, (i) => (realEigenvalues[i] ?? 0) * scale);
  const vectors = new Float64Array(size * size);
  for (const [place, column] of order.entries()) {
    for (let i = 0; i < size; i++) vectors[place * size + i] = eigenvectorMatrix.get(i, column);
  }
  return { values, vectors };
}

function largestMagnitude(vector: Float64Array): number {
  let best = 0;
  for (let i = 1; i < vector.length; i++) {
    if (Math.abs(vector[i] ?? 0) > Math.abs(vector[best] ?? 0)) best = i;
  }
  return best;
}
