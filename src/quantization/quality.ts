import { neighbourRecall } from './quality/neighbours.ts';
import type { Quantizer } from './quantizer.ts';

/** What a quantizer loses on given rows, and what it saves. */
export interface Quality {
  /** Rows that were measured. */
  readonly rows: number;
  /** Mean squared error of a number. */
  readonly mse: number;
  /** The largest error of a number. */
  readonly max_error: number;
  /** Length of the errors of all rows over the length of all rows, Frobenius norms; 0 where nothing is lost. */
  readonly relative_error: number;
  /** Bytes of the float32 rows over those of codes, scales and zero points. What was trained is not counted in. */
  readonly ratio: number;
  /** Bytes of what was trained, kept once for any number of rows. */
  readonly shared_bytes: number;
  /** Of a row with what is decoded for it: mean and least. Not of single columns. */
  readonly cosine?: { readonly mean: number; readonly least: number };
  /** Share of the ten nearest rows that are found among decoded ones; see {@link measureQuality}. Not of single columns. */
  readonly recall_at_10?: number;
  /** Pearson's, of single columns with what is decoded for them; none where either does not vary. */
  readonly correlation?: number;
}

export interface QualityOptions {
  /** Rows among which neighbours are sought, taken evenly from all; time grows with their square. Default: 4096. */
  readonly neighbours?: number | undefined;
}

const NEIGHBOURS = 4096;

/**
 * Quantizes rows, reads them again, and compares.
 *
 * `recall_at_10` asks each float32 row for its ten nearest others, by cosine similarity, first among the float32 rows, then
 * among the decoded ones, and is the mean share of the first that the second answer holds. Ties do not decide it: every row
 * that is as similar as the tenth counts as one of the nearest, so a quantizer that loses nothing has 1; and where several
 * decoded rows share the tenth place, which of them are found is left to chance, and the share is the expected one. A zero
 * row is similar to nothing, 0. With ten rows or fewer all others are asked for; with one there is no recall.
 *
 *     const { cosine, recall_at_10, ratio } = measureQuality(quantizer, rows);
 *
 * @param rows f32[n, columns], finite, at least one
 * @throws SluiceError `QUANTIZE_VALUE` for rows that the quantizer cannot hold
 */
export function measureQuality(quantizer: Quantizer, rows: Float32Array, options: QualityOptions = {}): Quality {
  const { columns, parts, trained } = quantizer;
  const decoded = quantizer.decode(quantizer.encode(rows));
  const rowBytes = parts.reduce((sum, part) => sum + part.rowBytes, 0);
  return {
    rows: rows.length / columns,
    ...errorsOf(rows, decoded),
    ratio: (4 * columns) / rowBytes,
    shared_bytes: trained.reduce((sum, { values }) => sum + values.byteLength, 0),
    ...(columns === 1 ? correlationOf(rows, decoded) : likenessOf(rows, decoded, columns, options)),
  };
}

function errorsOf(rows: Float32Array, decoded: Float32Array): Pick<Quality, 'mse' | 'max_error' | 'relative_error'> {
  let squares = 0;
  let all = 0;
  let most = 0;
  for (let i = 0; i < rows.length; i++) {
    const value = rows[i] ?? 0;
    const error = (decoded[i] ?? 0) - value;
    squares += error * error;
    all += value * value;
    most = Math.max(most, Math.abs(error));
  }
  const relative = squares === 0 ? 0 : Math.sqrt(squares / all);
  return { mse: squares / rows.length, max_error: most, relative_error: relative };
}

function correlationOf(a: Float32Array, b: Float32Array): Pick<Quality, 'correlation'> {
  const [meanA, meanB] = [meanOf(a), meanOf(b)];
  let [both, ownA, ownB] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [(a[i] ?? 0) - meanA, (b[i] ?? 0) - meanB];
    both += x * y;
    ownA += x * x;
    ownB += y * y;
  }
  return ownA === 0 || ownB === 0 ? {} : { correlation: both / Math.sqrt(ownA * ownB) };
}

const meanOf = (values: Float32Array): number => values.reduce((sum, value) => sum + value, 0) / values.length;

function likenessOf(
  rows: Float32Array,
  decoded: Float32Array,
  columns: number,
  { neighbours = NEIGHBOURS }: QualityOptions,
): Pick<Quality, 'cosine' | 'recall_at_10'> {
  const count = rows.length / columns;
  let sum = 0;
  let least = 1;
  for (let row = 0; row < count; row++) {
    const cosine = cosineOf(rows, decoded, row * columns, (row + 1) * columns);
    sum += cosine;
    least = Math.min(least, cosine);
  }
  const [some, others] = [rows, decoded].map((all) => taken(all, columns, neighbours));
  const recall = neighbourRecall(some ?? rows, others ?? decoded, columns);
  return { cosine: { mean: sum / count, least }, ...(recall === undefined ? {} : { recall_at_10: recall }) };
}

/** Two zero rows are alike, and a zero row is unlike any other. */
function cosineOf(a: Float32Array, b: Float32Array, from: number, to: number): number {
  let [both, ownA, ownB] = [0, 0, 0];
  for (let i = from; i < to; i++) {
    const [x, y] = [a[i] ?? 0, b[i] ?? 0];
    both += x * y;
    ownA += x * x;
    ownB += y * y;
  }
  if (ownA === 0 || ownB === 0) return ownA === ownB ? 1 : 0;
  return Math.min(1, both / Math.sqrt(ownA * ownB));
}

/** At most so many rows, evenly. */
function taken(rows: Float32Array, columns: number, most: number): Float32Array {
  const count = rows.length / columns;
  if (count <= most) return rows;
  const some = new Float32Array(most * columns);
  for (let i = 0; i < most; i++) {
    const row = Math.floor((i * count) / most);
    some.set(rows.subarray(row * columns, (row + 1) * columns), i * columns);
  }
  return some;
}
