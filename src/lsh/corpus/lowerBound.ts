/** The first of `count` places in ascending order whose value is at least `least`; `count` where there is none. */
export function lowerBound(count: number, least: number, valueAt: (place: number) => number): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (valueAt(middle) < least) low = middle + 1;
    else high = middle;
  }
  return low;
}
