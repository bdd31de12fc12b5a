const SMALLEST_NORMAL = 2 ** -126;

/** Adding and subtracting 1.5 * 2^52 leaves a double without a fraction, rounded half to even. */
export const roundEven = (value: number): number => value + 6755399441055744 - 6755399441055744;

/** The largest power of two up to a positive number, by which numbers can be scaled without loss of a bit; 1 for zero. */
export function powerBelow(number: number): number {
  if (number === 0) return 1;
  let power = 1;
  while (power * 2 <= number) power *= 2;
  while (power > number) power /= 2;
  return power;
}

/** The scale as float32; zero where that would be subnormal, which is too coarse to divide by. NaN stays. */
export const normalScale = (exact: number): number => (exact < SMALLEST_NORMAL ? 0 : Math.fround(exact));
