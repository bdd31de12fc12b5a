import { Random } from '../../src/quantization/training/random.ts';

/** Numbers about 0 with a standard deviation of 1: sums of twelve even ones. */
export function normalNumbers(seed: number): () => number {
  const random = new Random(seed);
  return () => Array.from({ length: 12 }, () => random.fraction()).reduce((sum, x) => sum + x, -6);
}

export const normalRows = (seed: number, rows: number, columns: number): Float32Array<ArrayBuffer> =>
  Float32Array.from({ length: rows * columns }, normalNumbers(seed));
