import { ResidualMap } from '../vectors/residualMap.ts';

const NEAREST = 10;
/** Rows whose similarities to all others are held at once. */
const CHUNK = 96;

/**
 * Share of the ten nearest rows that are found among the decoded ones, over all rows; see `measureQuality`.
 *
 * @param rows f32[n, columns]
 * @param decoded f32[n, columns]
 * @returns undefined with fewer than two rows
 */
export function neighbourRecall(rows: Float32Array, decoded: Float32Array, columns: number): number | undefined {
  const count = rows.length / columns;
  const nearest = Math.min(NEAREST, count - 1);
  if (nearest < 1) return undefined;
  const queries = normalized(rows, columns);
  const toRows = new ResidualMap({ matrix: queries }, columns);
  const toDecoded = new ResidualMap({ matrix: normalized(decoded, columns) }, columns);
  let sum = 0;
  for (let first = 0; first < count; first += CHUNK) {
    const some = queries.subarray(first * columns, (first + CHUNK) * columns);
    const exact = toRows.apply(some);
    const found = toDecoded.apply(some);
    for (let i = 0; i < some.length / columns; i++) {
      const [from, to] = [i * count, (i + 1) * count];
      sum += nearestFound(exact.subarray(from, to), found.subarray(from, to), first + i, nearest);
    }
  }
  return sum / (nearest * count);
}

/** Rows of length 1, or 0. */
function normalized(rows: Float32Array, columns: number): Float32Array<ArrayBuffer> {
  const unit = new Float32Array(rows.length);
  for (let from = 0; from < rows.length; from += columns) {
    let squares = 0;
    for (let i = from; i < from + columns; i++) squares += (rows[i] ?? 0) * (rows[i] ?? 0);
    if (squares === 0) continue;
    const factor = 1 / Math.sqrt(squares);
    for (let i = from; i < from + columns; i++) unit[i] = (rows[i] ?? 0) * factor;
  }
  return unit;
}

/**
 * How many of the nearest rows are among those that are found, an expected number where several share the last place.
 *
 * @param exact similarities of the row `self` to all rows
 * @param found those to what is decoded for them
 */
function nearestFound(exact: Float32Array, found: Float32Array, self: number, nearest: number): number {
  // a row is no neighbour of itself
  exact[self] = Number.NEGATIVE_INFINITY;
  found[self] = Number.NEGATIVE_INFINITY;
  const leastExact = largestAt(exact, nearest);
  const leastFound = largestAt(found, nearest);
  let [ahead, hits, tied, tiedHits] = [0, 0, 0, 0];
  for (let row = 0; row < found.length; row++) {
    const similarity = found[row] ?? 0;
    if (similarity < leastFound) continue;
    const hit = (exact[row] ?? 0) >= leastExact ? 1 : 0;
    if (similarity > leastFound) {
      ahead++;
      hits += hit;
    } else {
      tied++;
      tiedHits += hit;
    }
  }
  return hits + ((nearest - ahead) * tiedHits) / tied;
}

/** The number at a place, from 1, were they sorted from the largest. */
function largestAt(numbers: Float32Array, place: number): number {
  const top = new Float32Array(place).fill(Number.NEGATIVE_INFINITY);
  for (const number of numbers) {
    if (!(number > (top[place - 1] ?? 0))) continue;
    let at = place - 1;
    while (at > 0 && (top[at - 1] ?? 0) < number) {
      top[at] = top[at - 1] ?? 0;
      at--;
    }
    top[at] = number;
  }
  return top[place - 1] ?? 0;
}
