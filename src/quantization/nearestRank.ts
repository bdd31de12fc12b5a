/** Below 1 by more than three float64 operations can be off, and by less than any rank needs. */
const ROUNDED_UP = 1 - 2 ** -50;

/**
 * The nearest-rank percentile: the least of the numbers that so many percent of them do not exceed; 0 of none.
 *
 * @param numbers f32[n]; they are sorted in place
 * @param percentile above 0, at most 100
 */
export function nearestRank(numbers: Float32Array, percentile: number): number {
  numbers.sort();
  // 99.9 percent of a thousand are 999, whatever the product of the two is in float64
  const rank = Math.ceil(((percentile * numbers.length) / 100) * ROUNDED_UP);
  return numbers[Math.max(0, rank - 1)] ?? 0;
}
