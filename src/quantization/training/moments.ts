import { SluiceError } from '../../errors.ts';
import { float64From, littleEndianBytes } from '../../formats/littleEndian.ts';
import { requireFinite } from '../codes/finite.ts';
import type { Moments as LearnedMoments } from '../scheme.ts';
import { upTo, type Workspace, workspace } from '../vectors/memory.ts';

/** Rows whose products are summed together before they join the others. */
const BLOCK = 256;

type Scratch = Workspace<'rows' | 'products'>;

/** One in a thread for each number of columns. */
const scratches = new Map<number, Scratch>();

/**
 * Means and covariances of rows that come in blocks, in float64 and one pass: rows are centred on the mean of their block,
 * and blocks are joined by the formulas of Chan, Golub and LeVeque (1983), so that nothing is lost where means are large.
 *
 * Blocks are of 256 rows, however many come with a call: the bits depend on the order of the rows alone. Several are merged
 * in a fixed order, that of the splits, and give the same bits however the work was spread.
 *
 *     const moments = new Moments(128);
 *     moments.add(rows);
 *     const whole = Moments.from(stored).merge(moments);
 */
export class Moments implements LearnedMoments {
  readonly columns: number;
  #count = 0;
  readonly #mean: Float64Array<ArrayBuffer>;
  /** Upper triangle, row by row: sums of products of deviations. */
  readonly #products: Float64Array<ArrayBuffer>;
  /** Rows that do not fill a block yet. */
  readonly #waiting: Float32Array<ArrayBuffer>;
  #waits = 0;

  constructor(columns: number) {
    this.columns = columns;
    this.#mean = new Float64Array(columns);
    this.#products = new Float64Array((columns * (columns + 1)) / 2);
    this.#waiting = new Float32Array(BLOCK * columns);
  }

  /**
   * @param rows f32[n, columns]
   * @throws SluiceError `QUANTIZE_VALUE` for a number that is not finite, when its block is complete
   */
  add(rows: Float32Array): void {
    const { columns } = this;
    for (let at = 0; at < rows.length; ) {
      if (this.#waits === 0 && rows.length - at >= BLOCK * columns) {
        this.#join(rows.subarray(at, at + BLOCK * columns));
        at += BLOCK * columns;
        continue;
      }
      const some = rows.subarray(at, at + (BLOCK - this.#waits) * columns);
      this.#waiting.set(some, this.#waits * columns);
      this.#waits += some.length / columns;
      at += some.length;
      if (this.#waits === BLOCK) this.#flush();
    }
  }

  /** Adds what another one has seen, behind what this one has; the other stays as it is. */
  merge(other: Moments): this {
    if (other.columns !== this.columns) {
      throw new RangeError(`Moments of ${other.columns} columns do not go with those of ${this.columns}.`);
    }
    this.#flush();
    const { count, mean, products } = other.#complete();
    this.#combine(count, mean, products);
    return this;
  }

  get count(): number {
    return this.#count + this.#waits;
  }

  get mean(): Float64Array<ArrayBuffer> {
    return this.#complete().mean.slice();
  }

  /** f64[columns, columns], divided by `count`; zeros where there are no rows. */
  get covariance(): Float64Array<ArrayBuffer> {
    const { columns } = this;
    const { count, products } = this.#complete();
    const covariance = new Float64Array(columns * columns);
    for (let i = 0, at = 0; i < columns; i++) {
      for (let j = i; j < columns; j++, at++) {
        const value = (products[at] ?? 0) / Math.max(1, count);
        covariance[i * columns + j] = value;
        covariance[j * columns + i] = value;
      }
    }
    return covariance;
  }

  /** f64, little-endian: columns, count, means, and the upper triangle of the sums of products. */
  get bytes(): Uint8Array<ArrayBuffer> {
    const { count, mean, products } = this.#complete();
    const all = new Float64Array(2 + mean.length + products.length);
    all.set([this.columns, count]);
    all.set(mean, 2);
    all.set(products, 2 + mean.length);
    return Uint8Array.from(littleEndianBytes(all));
  }

  /**
   * Of what `bytes` gave.
   *
   * @throws SluiceError `QUANTIZE_SAMPLE` where they are cut short or are something else
   */
  static from(bytes: Uint8Array): Moments {
    const all = float64From(bytes.subarray(0, bytes.length - (bytes.length % 8)));
    const [columns = 0, count = -1] = all;
    const whole = Number.isSafeInteger(columns) && columns > 0 && Number.isSafeInteger(count) && count >= 0;
    if (!whole || bytes.length !== 8 * (2 + columns + (columns * (columns + 1)) / 2)) {
      throw new SluiceError(`${bytes.length} bytes are no moments of rows`, {
        code: 'QUANTIZE_SAMPLE',
        hint: 'the file is cut short or of another kind; delete it and let the run learn again',
      });
    }
    const moments = new Moments(columns);
    moments.#count = count;
    moments.#mean.set(all.subarray(2, 2 + columns));
    moments.#products.set(all.subarray(2 + columns));
    return moments;
  }

  /** Itself, or with rows that wait a copy that has joined them. */
  #complete(): { count: number; mean: Float64Array<ArrayBuffer>; products: Float64Array<ArrayBuffer> } {
    if (this.#waits === 0) return { count: this.#count, mean: this.#mean, products: this.#products };
    const copy = new Moments(this.columns);
    copy.#count = this.#count;
    copy.#mean.set(this.#mean);
    copy.#products.set(this.#products);
    copy.#join(this.#waiting.subarray(0, this.#waits * this.columns));
    return { count: copy.#count, mean: copy.#mean, products: copy.#products };
  }

  #flush(): void {
    if (this.#waits === 0) return;
    const rows = this.#waiting.subarray(0, this.#waits * this.columns);
    this.#waits = 0;
    this.#join(rows);
  }

  #join(rows: Float32Array): void {
    const { columns } = this;
    const count = rows.length / columns;
    const mean = meanOf(rows, columns);
    // sums of float32 numbers do not overflow float64: where all is finite, so are they
    if (!mean.every(Number.isFinite)) requireFinite(rows, columns, this.#count);
    const scratch = scratchOf(columns);
    const width = upTo(columns, 4);
    const placed = doubles(scratch.regions.rows);
    for (let row = 0; row < count; row++) {
      for (let i = 0; i < columns; i++) placed[row * width + i] = (rows[row * columns + i] ?? 0) - (mean[i] ?? 0);
    }
    const { rows: at, products } = scratch.regions;
    scratch.kernels.comoments(at.byteOffset, count, width, products.byteOffset);
    this.#combine(count, mean, triangleOf(doubles(products), width, columns));
  }

  #combine(count: number, mean: Float64Array, products: Iterable<number> & ArrayLike<number>): void {
    if (count === 0) return;
    const { columns } = this;
    const total = this.#count + count;
    const deltas = mean.map((value, i) => value - (this.#mean[i] ?? 0));
    const weight = (this.#count * count) / total;
    for (let i = 0, at = 0; i < columns; i++) {
      const factor = (deltas[i] ?? 0) * weight;
      for (let j = i; j < columns; j++, at++) {
        this.#products[at] = (this.#products[at] ?? 0) + ((products[at] ?? 0) + factor * (deltas[j] ?? 0));
      }
    }
    for (let i = 0; i < columns; i++) this.#mean[i] = (this.#mean[i] ?? 0) + (deltas[i] ?? 0) * (count / total);
    this.#count = total;
  }
}

function meanOf(rows: Float32Array, columns: number): Float64Array {
  const mean = new Float64Array(columns);
  const count = rows.length / columns;
  for (let at = 0; at < rows.length; at += columns) {
    for (let i = 0; i < columns; i++) mean[i] = (mean[i] ?? 0) + (rows[at + i] ?? 0);
  }
  return mean.map((sum) => sum / count);
}

function triangleOf(square: Float64Array, width: number, columns: number): Float64Array {
  const triangle = new Float64Array((columns * (columns + 1)) / 2);
  for (let i = 0, at = 0; i < columns; i++) {
    triangle.set(square.subarray(i * width + i, i * width + columns), at);
    at += columns - i;
  }
  return triangle;
}

/** Columns that fill up the last four stay zero. */
function scratchOf(columns: number): Scratch {
  const width = upTo(columns, 4);
  const known = scratches.get(columns);
  if (known !== undefined) return known;
  const scratch = workspace({ rows: 2 * BLOCK * width, products: 2 * width * width });
  scratches.set(columns, scratch);
  return scratch;
}

/** The same memory as float64; regions are large enough and aligned. */
const doubles = (region: Float32Array): Float64Array =>
  new Float64Array(region.buffer, region.byteOffset, region.length / 2);
