/** Bytes of a file that is worth cutting into this many splits at least. */
const LEAST_SPLITS = 2;

/** Decides at which records a file is cut, as they come by: into equal parts of about `splitBytes`. */
export class Cuts {
  readonly #size: number;
  readonly #parts: number;
  #next = 1;

  constructor(size: number, splitBytes: number) {
    this.#size = size;
    this.#parts = Math.round(size / splitBytes);
  }

  /** False of a file that is small enough to be one split. */
  get needed(): boolean {
    return this.#parts >= LEAST_SPLITS;
  }

  /** Whether a new part begins with the record at this offset. */
  at(byte: number): boolean {
    const before = this.#next;
    while (this.#next < this.#parts && Math.floor((this.#size * this.#next) / this.#parts) <= byte) this.#next++;
    return this.#next > before;
  }
}
