import { PipelineError } from '../../errors.ts';
import type { Patches } from '../../records.ts';

/** Bytes of a window whose mean is a sample of what texts of the split are like. */
const WINDOW_BYTES = 256;
/** Of one document: a long one is no better a sample than a short one. */
const MOST_WINDOWS = 64;

/** The mean of the states of a document's first bytes, and the means over windows of them. */
export class MeanState {
  readonly dim: number;
  /** Bytes that are in the mean. */
  bytes = 0;
  readonly #most: number;
  readonly #sums: Float64Array;
  readonly #windows: Float32Array[] = [];
  readonly #window: Float64Array;
  #windowBytes = 0;

  /** Of at most `most` bytes, and the patch that reaches them. */
  constructor(dim: number, most: number) {
    this.dim = dim;
    this.#most = most;
    this.#sums = new Float64Array(dim);
    this.#window = new Float64Array(dim);
  }

  /** Bytes of memory that it takes. */
  get holds(): number {
    return 4 * this.dim * (4 + this.#windows.length);
  }

  get isFull(): boolean {
    return this.bytes >= this.#most;
  }

  /** Throws PipelineError `BAD_VECTOR` where a state is not finite. */
  add({ lengths, embeddings, segment }: Patches): void {
    for (let patch = 0; patch < lengths.length && !this.isFull; patch++) {
      const length = lengths[patch] ?? 0;
      const start = patch * this.dim;
      for (let i = 0; i < this.dim; i++)
        this.#window[i] = (this.#window[i] ?? 0) + length * (embeddings[start + i] ?? 0);
      this.bytes += length;
      this.#windowBytes += length;
      if (this.#windowBytes >= WINDOW_BYTES) this.#cut();
    }
    if (this.#sums.every(Number.isFinite) && this.#window.every(Number.isFinite)) return;
    const { uri, position } = segment.document.source;
    throw new PipelineError(`the states of document '${segment.document.id}' are not finite`, {
      code: 'BAD_VECTOR',
      path: uri,
      position,
      hint: 'a model gives such numbers where its weights are damaged or its numbers overflow',
    });
  }

  /** f32[dim]; zeros where there are no bytes. */
  mean(): Float32Array {
    const bytes = Math.max(1, this.bytes);
    return Float32Array.from(this.#sums, (sum, i) => (sum + (this.#window[i] ?? 0)) / bytes);
  }

  /** f32[dim] each; the last one where it has at least half of its bytes. */
  windows(): readonly Float32Array[] {
    const last = this.#windowBytes * 2 >= WINDOW_BYTES && this.#windows.length < MOST_WINDOWS;
    return last ? [...this.#windows, this.#windowMean()] : this.#windows;
  }

  #cut(): void {
    if (this.#windows.length < MOST_WINDOWS) this.#windows.push(this.#windowMean());
    for (let i = 0; i < this.dim; i++) this.#sums[i] = (this.#sums[i] ?? 0) + (this.#window[i] ?? 0);
    this.#window.fill(0);
    this.#windowBytes = 0;
  }

  #windowMean(): Float32Array {
    return Float32Array.from(this.#window, (sum) => sum / this.#windowBytes);
  }
}
