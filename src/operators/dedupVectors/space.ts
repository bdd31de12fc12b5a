import { Covariance, type Whitening } from '../../lsh/whitening.ts';

/** Documents after which the space is made first; it is made anew at each doubling, up to the most. */
export const FIRST_DOCUMENTS = 64;
const MOST_DOCUMENTS = 4096;

/** Where vectors are compared. */
export interface Space {
  /** Whether documents can be judged. */
  readonly ready: boolean;
  /** Whether enough has been learned to make it anew. */
  readonly isDue: boolean;
  /** Learns from the windows of a document. */
  learn(windows: readonly Float32Array[]): void;
  /** Makes the space by what was learned: vectors from now on lie elsewhere. */
  settle(): void;
  place(vector: Float32Array): Float32Array;
  /** Of two placed vectors; at most 1. */
  similarity(a: Float32Array, b: Float32Array): number;
}

/** Vectors as they are, by their cosine. */
export class PlainSpace implements Space {
  readonly ready = true;
  readonly isDue = false;

  learn(): void {}

  settle(): void {}

  place(vector: Float32Array): Float32Array {
    return vector;
  }

  similarity(a: Float32Array, b: Float32Array): number {
    return compare(a, b).cosine;
  }
}

/**
 * Vectors by what they differ in from the mean of windows of the documents before, every direction with the same variance.
 * Similar are two whose directions are, as long as they lie no further apart than documents do: of a kind of text that
 * the space has not seen, all texts lie in one direction from the rest, and far from each other.
 */
export class WhitenedSpace implements Space {
  readonly #covariance: Covariance;
  #whitening: Whitening | undefined;
  #documents = 0;
  #next = FIRST_DOCUMENTS;
  ready = false;

  constructor(dim: number) {
    this.#covariance = new Covariance(dim);
  }

  get isDue(): boolean {
    return this.#documents >= this.#next && this.#next <= MOST_DOCUMENTS;
  }

  learn(windows: readonly Float32Array[]): void {
    if (this.#documents >= MOST_DOCUMENTS) return;
    for (const window of windows) this.#covariance.add(window);
    this.#documents++;
  }

  settle(): void {
    this.ready = true;
    this.#whitening = this.#covariance.whitening();
    while (this.#next <= this.#documents) this.#next *= 2;
  }

  place(vector: Float32Array): Float32Array {
    return this.#whitening?.apply(vector) ?? vector;
  }

  /**
   * The lesser of the cosine and of 1 - d^2 / dim, d their distance: two windows of 256 bytes have a mean d^2 of 2 dim.
   * Where all windows seen are the same, nothing is alike but what is equal.
   */
  similarity(a: Float32Array, b: Float32Array): number {
    const { cosine, squaredDistance } = compare(a, b);
    if (this.#whitening === undefined) return squaredDistance === 0 ? 1 : 0;
    return Math.min(cosine, 1 - squaredDistance / a.length);
  }
}

function compare(a: Float32Array, b: Float32Array): { readonly cosine: number; readonly squaredDistance: number } {
  let dot = 0;
  let squaresOfA = 0;
  let squaresOfB = 0;
  let squaredDistance = 0;
  for (let i = 0; i < a.length; i++) {
    const x = a[i] ?? 0;
    const y = b[i] ?? 0;
    dot += x * y;
    squaresOfA += x * x;
    squaresOfB += y * y;
    squaredDistance += (x - y) * (x - y);
  }
  return { cosine: Math.min(1, dot / (Math.sqrt(squaresOfA) * Math.sqrt(squaresOfB))), squaredDistance };
}
