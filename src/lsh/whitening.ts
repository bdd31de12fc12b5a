/**
 * The variance that is added in every direction, as a share of the mean one, for directions that no vector has shown yet:
 * this much at least, and one part in as many as there are vectors.
 */
const RIDGE = 1e-3;

/**
 * Mean and covariance of vectors as they come, in double precision: 8 bytes for each pair of dimensions, twice while a
 * {@link Whitening} is made of them. What comes of them depends on the vectors and their order alone.
 */
export class Covariance {
  readonly dim: number;
  #count = 0;
  /** Sums are taken about the first vector, so that they stay small. */
  #origin: Float64Array | undefined;
  readonly #sums: Float64Array;
  /** The lower triangle, row by row. */
  readonly #products: Float64Array;
  readonly #shifted: Float64Array;

  constructor(dim: number) {
    this.dim = dim;
    this.#sums = new Float64Array(dim);
    this.#products = new Float64Array((dim * (dim + 1)) / 2);
    this.#shifted = new Float64Array(dim);
  }

  get count(): number {
    return this.#count;
  }

  add(vector: ArrayLike<number>): void {
    this.#origin ??= Float64Array.from(vector);
    const x = this.#shifted;
    const products = this.#products;
    for (let i = 0; i < x.length; i++) x[i] = (vector[i] ?? 0) - (this.#origin[i] ?? 0);
    for (let i = 0, at = 0; i < x.length; i++) {
      const xi = x[i] ?? 0;
      this.#sums[i] = (this.#sums[i] ?? 0) + xi;
      for (let j = 0; j <= i; j++, at++) products[at] = (products[at] ?? 0) + xi * (x[j] ?? 0);
    }
    this.#count++;
  }

  /** None where all vectors are one and the same, or there is none. */
  whitening(): Whitening | undefined {
    const { dim } = this;
    const count = this.#count;
    const mean = this.#sums.map((sum) => sum / count);
    const factor = new Float64Array(this.#products.length);
    let trace = 0;
    for (let i = 0, at = 0; i < dim; i++) {
      for (let j = 0; j <= i; j++, at++) {
        factor[at] = (this.#products[at] ?? 0) / count - (mean[i] ?? 0) * (mean[j] ?? 0);
      }
      trace += factor[at - 1] ?? 0;
    }
    if (!(trace > 0)) return undefined;
    const ridge = ((RIDGE + 1 / count) * trace) / dim;
    for (let i = 0, at = -1; i < dim; i++) {
      at += i + 1;
      factor[at] = (factor[at] ?? 0) + ridge;
    }
    choleskyInPlace(factor, dim);
    return new Whitening(
      mean.map((x, i) => x + (this.#origin?.[i] ?? 0)),
      factor,
    );
  }
}

/**
 * Moves vectors so that a sample of them has mean zero, and the same variance, about 1, in every direction: Cholesky
 * whitening (Kessy, Lewin, Strimmer 2018), y = L^-1 (x - mean) with L L^T the covariance of the sample. Cosines then say
 * how alike two vectors are against what vectors of this kind differ in; without it the states of a language model all but
 * share one direction. (Su, Cao, Liu, Ou 2021, whiten sentence embeddings for the same reason.)
 */
export class Whitening {
  readonly #mean: Float64Array;
  /** L, the lower triangle row by row. */
  readonly #factor: Float64Array;

  constructor(mean: Float64Array, factor: Float64Array) {
    this.#mean = mean;
    this.#factor = factor;
  }

  apply(vector: ArrayLike<number>): Float32Array<ArrayBuffer> {
    const dim = this.#mean.length;
    const factor = this.#factor;
    const y = new Float64Array(dim);
    for (let i = 0, row = 0; i < dim; row += ++i) {
      const moved = (vector[i] ?? 0) - (this.#mean[i] ?? 0);
      y[i] = (moved - dot(factor, row, y, 0, i)) / (factor[row + i] ?? 1);
    }
    return Float32Array.from(y);
  }
}

/** L with L L^T = A for a positive definite A, each as the lower triangle row by row. */
function choleskyInPlace(a: Float64Array, dim: number): void {
  for (let i = 0, row = 0; i < dim; row += ++i) {
    for (let j = 0, other = 0; j <= i; other += ++j) {
      const rest = (a[row + j] ?? 0) - dot(a, row, a, other, j);
      a[row + j] = i === j ? Math.sqrt(rest) : rest / (a[other + j] ?? 1);
    }
  }
}

/** Of `length` numbers of each: four sums, which do not wait for each other. */
function dot(a: Float64Array, atA: number, b: Float64Array, atB: number, length: number): number {
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  let i = 0;
  for (; i + 3 < length; i += 4) {
    s0 += (a[atA + i] ?? 0) * (b[atB + i] ?? 0);
    s1 += (a[atA + i + 1] ?? 0) * (b[atB + i + 1] ?? 0);
    s2 += (a[atA + i + 2] ?? 0) * (b[atB + i + 2] ?? 0);
    s3 += (a[atA + i + 3] ?? 0) * (b[atB + i + 3] ?? 0);
  }
  for (; i < length; i++) s0 += (a[atA + i] ?? 0) * (b[atB + i] ?? 0);
  return s0 + s1 + (s2 + s3);
}
