import { Covariance, type Whitening } from '../whitening.ts';

/** Vectors that a space is made of, at most: they are taken at equal distances. */
const SAMPLE = 4096;

/** The whitening of the rows of a matrix; none where all of the sample are equal, or there is no row. */
export function whiteningOf(vectors: Float32Array, dim: number): Whitening | undefined {
  const covariance = new Covariance(dim);
  const count = vectors.length / dim;
  const step = Math.max(1, Math.ceil(count / SAMPLE));
  for (let i = 0; i < count; i += step) covariance.add(vectors.subarray(i * dim, (i + 1) * dim));
  return count === 0 ? undefined : covariance.whitening();
}

/** Puts the rows of a matrix where a whitening has them. */
export function whitenRows(vectors: Float32Array, dim: number, whitening: Whitening): void {
  for (let at = 0; at < vectors.length; at += dim) {
    vectors.set(whitening.apply(vectors.subarray(at, at + dim)), at);
  }
}
