import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Covariance } from '../../src/lsh/whitening.ts';
import { cosine, randomNormals, randomVector } from './vectors.ts';

/** Vectors far from the origin, long in one direction, with dimensions that depend on each other. */
function sample(seed: number, count: number, dim: number): Float32Array[] {
  const normal = randomNormals(seed);
  const mixing = Array.from({ length: dim }, () => randomVector(normal, dim));
  return Array.from({ length: count }, () => {
    const independent = randomVector(normal, dim);
    const mixed = mixing.map((row) => row.reduce((sum, x, i) => sum + x * (independent[i] ?? 0), 0));
    return Float32Array.from(mixed, (x, i) => 300 + (i === 0 ? 40 * x : x));
  });
}

function whiteningOf(vectors: readonly Float32Array[]) {
  const covariance = new Covariance(vectors[0]!.length);
  for (const vector of vectors) covariance.add(vector);
  expect(covariance.count).toBe(vectors.length);
  return covariance.whitening();
}

/** x with matrix x = right, by elimination. */
function solve(matrix: readonly number[][], right: readonly number[]): number[] {
  const rows = matrix.map((row, i) => [...row, right[i]!]);
  for (const [i, pivot] of rows.entries()) {
    for (const [k, row] of rows.entries()) {
      if (k === i) continue;
      const factor = row[i]! / pivot[i]!;
      for (let j = i; j < row.length; j++) row[j]! -= factor * pivot[j]!;
    }
  }
  return rows.map((row, i) => row.at(-1)! / row[i]!);
}

describe('whitening', () => {
  it('measures by the inverse of the covariance of the sample, to which a thousandth and one part in n is added', () => {
    const sizes = fc.record({
      seed: fc.integer(),
      count: fc.integer({ min: 2, max: 60 }),
      dim: fc.integer({ min: 1, max: 7 }),
    });
    fc.assert(
      fc.property(sizes, ({ seed, count, dim }) => {
        const vectors = sample(seed, count, dim);
        const mean = Array.from({ length: dim }, (_, i) => vectors.reduce((sum, x) => sum + x[i]! / count, 0));
        const moved = vectors.map((vector) => Array.from(vector, (x, i) => x - mean[i]!));
        const covariance = mean.map((_, i) =>
          mean.map((_, j) => moved.reduce((sum, x) => sum + (x[i]! * x[j]!) / count, 0)),
        );
        const trace = covariance.reduce((sum, row, i) => sum + row[i]!, 0);
        for (let i = 0; i < dim; i++) covariance[i]![i]! += ((1e-3 + 1 / count) * trace) / dim;
        const whitening = whiteningOf(vectors)!;
        const white = vectors.map((vector) => whitening.apply(vector));
        const solved = solve(covariance, moved[1]!);
        for (const at of [0, 1]) {
          const wanted = moved[at]!.reduce((sum, x, i) => sum + x * solved[i]!, 0);
          expect(white[at]!.reduce((sum, y, i) => sum + y * white[1]![i]!, 0)).toBeCloseTo(wanted, 3);
        }
      }),
    );
  });

  it('tells vectors apart that all but share one direction', () => {
    const vectors = sample(1, 300, 16);
    const whitening = whiteningOf(vectors)!;
    const [a, b] = [vectors[0]!, vectors[1]!];
    expect(cosine(a, b)).toBeGreaterThan(0.7);
    expect(Math.abs(cosine(whitening.apply(a), whitening.apply(b)))).toBeLessThan(0.6);
    const near = a.map((x, i) => x + (i % 2 === 0 ? 1e-3 : -1e-3));
    expect(cosine(whitening.apply(a), whitening.apply(near))).toBeGreaterThan(0.99);
  });

  it('does not care where the vectors lie nor in which unit they are', () => {
    const vectors = sample(2, 200, 4);
    const moved = vectors.map((vector) => vector.map((x) => 64 * (x - 300) + 1000));
    const [one, other] = [whiteningOf(vectors)!, whiteningOf(moved)!];
    for (const [i, vector] of vectors.entries()) {
      const [y, z] = [one.apply(vector), other.apply(moved[i]!)];
      for (let k = 0; k < 4; k++) expect(z[k]).toBeCloseTo(y[k]!, 2);
    }
  });

  it('is made of fewer vectors than dimensions, too, and of none that are all the same', () => {
    const vectors = sample(4, 3, 8);
    const whitening = whiteningOf(vectors)!;
    for (const vector of vectors) expect(whitening.apply(vector).every(Number.isFinite)).toBe(true);
    expect(whiteningOf([vectors[0]!, vectors[0]!, vectors[0]!])).toBeUndefined();
    expect(new Covariance(3).whitening()).toBeUndefined();
  });
});
