import { mix } from './shingle.ts';

/** Uniform numbers, of 16 bits each, that are added up to one normal. Twelve have a variance of 1 together. */
const UNIFORM = 12;
const MEAN = (UNIFORM * 0xffff) / 2;

/**
 * One coordinate of the normal of a hyperplane: a number from a normal distribution. It depends on the two numbers alone.
 *
 * A sum of twelve uniform numbers, whose tails are a little thin, with the term of the Cornish-Fisher expansion that gives
 * it the fourth moment of the normal distribution: integers, and products and sums of doubles, which are alike on every
 * machine. Logarithms and cosines are not: their last bits are each engine's own.
 */
export function normalAt(plane: number, dimension: number): number {
  const seed = mix(plane, dimension);
  let sum = 0;
  for (let i = 0; i < UNIFORM / 2; i++) {
    const bits = mix(seed, i);
    sum += (bits >>> 16) + (bits & 0xffff);
  }
  const x = (sum - MEAN) / 65_536;
  return x + (x * x * x - 3 * x) / 240;
}
