import { Codebooks } from '../vectors/codebooks.ts';
import { Random } from './random.ts';

/** Rows a centroid that the start is drawn from: the first ones, which stand for the others in a random sample. */
const START_ROWS = 16;

export interface KMeansOptions {
  /** A multiple of 16, at most 256. */
  readonly centroids: number;
  /** Rounds of assignment and update, fewer where nothing changes any more. */
  readonly iterations: number;
  readonly seed: number;
}

/**
 * Centroids f32[centroids, dims] of rows by Lloyd's algorithm, started with k-means++ (Arthur and Vassilvitskii, SODA 2007).
 *
 * A row belongs to the nearest centroid as {@link Codebooks} finds it; a centroid becomes the mean of its rows, summed in
 * float64 in order of the rows. A centroid without rows moves to where the error is: to the row that is farthest from its
 * centroid in the cluster with the largest sum of squared distances. Where there are fewer distinct rows than centroids,
 * the rest of them repeat the first and stay unused.
 *
 * @param rows f32[n, dims], finite, in random order
 */
export function kMeans(rows: Float32Array, dims: number, options: KMeansOptions): Float32Array<ArrayBuffer> {
  const { centroids: k, iterations, seed } = options;
  const centroids = startingCentroids(rows, dims, k, new Random(seed));
  const books = new Codebooks(1, k, dims);
  let last: Uint8Array | undefined;
  for (let iteration = 0; iteration < iterations; iteration++) {
    books.place(centroids);
    const codes = books.nearest(rows);
    if (last !== undefined && Buffer.compare(codes, last) === 0) break;
    const counts = meansOf(rows, dims, codes, centroids);
    fillEmpty(rows, dims, codes, centroids, counts);
    last = codes;
  }
  return centroids;
}

/** Each centroid a row, drawn in proportion to its squared distance to those that are there already. */
function startingCentroids(rows: Float32Array, dims: number, k: number, random: Random): Float32Array<ArrayBuffer> {
  const count = Math.min(rows.length / dims, START_ROWS * k);
  const centroids = new Float32Array(k * dims);
  const least = new Float64Array(count).fill(Number.POSITIVE_INFINITY);
  let chosen = random.below(count);
  for (let c = 0; c < k; c++) {
    const centroid = rows.subarray(chosen * dims, (chosen + 1) * dims);
    centroids.set(centroid, c * dims);
    let total = 0;
    for (let row = 0; row < count; row++) {
      const distance = Math.min(least[row] ?? 0, squaredDistance(rows, row * dims, centroid, 0, dims));
      least[row] = distance;
      total += distance;
    }
    // every row is a centroid: what is left of them repeats the first
    if (total === 0) {
      for (let rest = c + 1; rest < k; rest++) centroids.copyWithin(rest * dims, 0, dims);
      break;
    }
    chosen = drawn(least, random.fraction() * total);
  }
  return centroids;
}

/** The first row at which the sum of weights exceeds `target`. */
function drawn(weights: Float64Array, target: number): number {
  let sum = 0;
  let last = 0;
  for (let row = 0; row < weights.length; row++) {
    const weight = weights[row] ?? 0;
    if (weight === 0) continue;
    sum += weight;
    last = row;
    if (sum > target) break;
  }
  return last;
}

/** Makes every centroid that has rows their mean, and counts them. */
function meansOf(rows: Float32Array, dims: number, codes: Uint8Array, centroids: Float32Array): Uint32Array {
  const sums = new Float64Array(centroids.length);
  const counts = new Uint32Array(centroids.length / dims);
  for (let row = 0; row < codes.length; row++) {
    const code = codes[row] ?? 0;
    counts[code] = (counts[code] ?? 0) + 1;
    const to = code * dims;
    const from = row * dims;
    for (let i = 0; i < dims; i++) sums[to + i] = (sums[to + i] ?? 0) + (rows[from + i] ?? 0);
  }
  for (let at = 0; at < sums.length; at++) {
    const count = counts[Math.floor(at / dims)] ?? 0;
    if (count > 0) centroids[at] = (sums[at] ?? 0) / count;
  }
  return counts;
}

/** Moves centroids without rows, one after the other; each lessens the error that the next one looks at. */
function fillEmpty(
  rows: Float32Array,
  dims: number,
  codes: Uint8Array,
  centroids: Float32Array,
  counts: Uint32Array,
): void {
  if (!counts.includes(0)) return;
  const errors = Float64Array.from(codes, (code, row) =>
    squaredDistance(rows, row * dims, centroids, code * dims, dims),
  );
  for (let empty = counts.indexOf(0); empty >= 0; empty = counts.indexOf(0, empty + 1)) {
    const totals = new Float64Array(counts.length);
    for (const [row, code] of codes.entries()) totals[code] = (totals[code] ?? 0) + (errors[row] ?? 0);
    const worst = largest(totals);
    const farthest = largest(errors.map((error, row) => (codes[row] === worst ? error : 0)));
    if (errors[farthest] === 0) return;
    centroids.set(rows.subarray(farthest * dims, (farthest + 1) * dims), empty * dims);
    for (let row = 0; row < errors.length; row++) {
      const distance = squaredDistance(rows, row * dims, centroids, empty * dims, dims);
      errors[row] = Math.min(errors[row] ?? 0, distance);
    }
  }
}

/** Place of the largest number, the first of several. */
function largest(numbers: Float64Array): number {
  let best = 0;
  for (let i = 1; i < numbers.length; i++) if ((numbers[i] ?? 0) > (numbers[best] ?? 0)) best = i;
  return best;
}

function squaredDistance(a: Float32Array, atA: number, b: Float32Array, atB: number, dims: number): number {
  let sum = 0;
  for (let i = 0; i < dims; i++) {
    const difference = (a[atA + i] ?? 0) - (b[atB + i] ?? 0);
    sum += difference * difference;
  }
  return sum;
}
