/** The largest power of two up to a positive number, by which numbers can be scaled without loss of a bit; 1 for zero. */
export function powerBelow(number: number): number {
  if (number === 0) return 1;
  let power = 1;
  while (power * 2 <= number) power *= 2;
  while (power > number) power /= 2;
  return power;
}
