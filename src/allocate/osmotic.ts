/** Shells may be filled to so much less or more than in proportion to their area. */
const SLACK = 0.2;

/**
 * Where shells begin, so that each holds patches in proportion to its area, to within a fifth, and no patch lies further in
 * than a lighter one. It starts from shells of equal steps in prominence, and moves what is too much for a shell outward and
 * what it lacks inward, only as far as it must; one pass over the shells settles it.
 *
 * @param sorted f32[n], ascending, finite, not negative
 * @param radii f64[shells], ascending, positive
 * @returns f32[shells - 1]: the least prominence of shell 1 and of each further out; +Infinity where a shell and those
 *   behind it are empty. Equal prominences are never parted, so their shell may be off by as many as there are.
 */
export function osmoticBounds(sorted: Float32Array, radii: Float64Array): Float32Array {
  const count = sorted.length;
  const shells = radii.length;
  const outermost = radii[shells - 1] ?? 1;
  let area = 0;
  for (const radius of radii) area += (radius / outermost) ** 2;
  const capacity = (shell: number): number => (count * ((radii[shell] ?? 0) / outermost) ** 2) / area;
  const greatest = sorted[count - 1] ?? 0;
  const bounds = new Float32Array(Math.max(0, shells - 1)).fill(Number.POSITIVE_INFINITY);
  if (count === 0) return bounds;
  /** Patches below the shell in hand, and what shells from it on take in proportion. */
  let below = 0;
  let ahead = count;
  for (let shell = 0; shell + 1 < shells; shell++) {
    const own = capacity(shell);
    ahead -= own;
    const wanted = lowerBound(sorted, (greatest * (shell + 1)) / shells);
    const least = Math.max(below + (1 - SLACK) * own, count - (1 + SLACK) * ahead);
    const most = Math.min(below + (1 + SLACK) * own, count - (1 - SLACK) * ahead);
    below = Math.min(Math.max(wanted, least), most);
    bounds[shell] = leastFrom(sorted, below);
  }
  return bounds;
}

/** The least value whose place in the middle of its equals is not before `rank`. */
function leastFrom(sorted: Float32Array, rank: number): number {
  const place = Math.floor(rank);
  const value = sorted[place];
  if (value === undefined) return Number.POSITIVE_INFINITY;
  const first = lowerBound(sorted, value);
  const next = upperBound(sorted, value);
  return (first + next) / 2 >= rank ? value : (sorted[next] ?? Number.POSITIVE_INFINITY);
}

/** How many values are less. */
export function lowerBound(sorted: Float32Array | Float64Array, value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? 0) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** How many values are not greater. */
export function upperBound(sorted: Float32Array | Float64Array, value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? 0) <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}
