import { requireFinite } from '../codes/finite.ts';
import { GROUP, pack, upTo, type Workspace, workspace } from './memory.ts';

/** Rows that pass through the memory at once stay in the second-level cache. */
const CHUNK_BYTES = 256 << 10;

/**
 * Nearest centroids of the parts of rows. A row is `books` parts of `dims` numbers, each with a codebook of its own, of at
 * most 256 centroids.
 *
 * A distance is the sum, from zero, of squared differences in order of the numbers, each operation rounded to float32; of
 * centroids at the same distance the first is taken.
 */
export class Codebooks {
  readonly columns: number;
  readonly #books: number;
  readonly #dims: number;
  readonly #groups: number;
  readonly #chunk: number;
  readonly #space: Workspace<'books' | 'rows' | 'codes' | 'zeros'>;
  readonly #codes: Uint8Array;

  /** @param centroids how many a codebook has, a multiple of 16 */
  constructor(books: number, centroids: number, dims: number) {
    this.columns = books * dims;
    this.#books = books;
    this.#dims = dims;
    this.#groups = centroids / GROUP;
    this.#chunk = Math.max(2, Math.floor(CHUNK_BYTES / (4 * this.columns)));
    this.#space = workspace({
      books: books * centroids * dims,
      rows: this.#chunk * this.columns,
      codes: upTo(this.#chunk * books, 4) / 4,
      zeros: this.columns,
    });
    const { codes } = this.#space.regions;
    this.#codes = new Uint8Array(codes.buffer, codes.byteOffset, codes.byteLength);
  }

  /** f32[books, centroids, dims]. */
  place(codebooks: Float32Array): void {
    const { books } = this.#space.regions;
    const size = this.#groups * GROUP * this.#dims;
    for (let book = 0; book < this.#books; book++) {
      pack(codebooks.subarray(book * size, (book + 1) * size), this.#dims, books.subarray(book * size));
    }
  }

  /**
   * u8[rows, books].
   *
   * @param rows f32[rows, columns]
   * @throws SluiceError `QUANTIZE_VALUE`
   */
  nearest(rows: Float32Array): Uint8Array<ArrayBuffer> {
    const { kernels, regions } = this.#space;
    const { columns } = this;
    const count = rows.length / columns;
    const codes = new Uint8Array(count * this.#books);
    const [at, zeros, own] = [regions.rows.byteOffset, regions.zeros.byteOffset, regions.codes.byteOffset];
    for (let first = 0; first < count; first += this.#chunk) {
      const some = rows.subarray(first * columns, (first + this.#chunk) * columns);
      const length = some.length / columns;
      regions.rows.set(some);
      if (!kernels.centre(at, length, columns, zeros, at)) requireFinite(some, columns, first);
      for (let book = 0; book < this.#books; book++) {
        const centroids = regions.books.byteOffset + 4 * book * this.#groups * GROUP * this.#dims;
        const part = at + 4 * book * this.#dims;
        kernels.nearest(centroids, this.#dims, this.#groups, part, 4 * columns, length, own + book, this.#books);
      }
      codes.set(this.#codes.subarray(0, length * this.#books), first * this.#books);
    }
    return codes;
  }
}
