import { PipelineError, SluiceError } from '../../errors.ts';
import { requireOptions } from '../../knownOptions.ts';
import { once } from '../once.ts';
import { countOrAuto, wholeNumber } from '../options.ts';
import { type Coder, coderScheme, type TrainingSample } from '../scheme.ts';
import { kMeans } from '../training/kMeans.ts';
import { Codebooks } from '../vectors/codebooks.ts';

export interface PqOptions {
  /**
   * Parts of a row that have a codebook each, and bytes that a row becomes; a divisor of its columns. Default: `auto`, the
   * largest divisor of the columns that is at most an eighth of them, so 16 of 128 columns: 32 times fewer bytes.
   */
  readonly subquantizers?: number | 'auto' | undefined;
  /** Rounds of k-means. Default: 25. */
  readonly iterations?: number | undefined;
}

const CENTROIDS = 256;
/** Rows that k-means learns from at most, for each centroid: more change little. */
const ROWS_PER_CENTROID = 256;
const MOST_ITERATIONS = 1000;

/**
 * Product quantization (Jegou, Douze and Schmid, PAMI 2011): a row is cut into parts, and each becomes the number of the
 * nearest of 256 centroids that k-means has learned for it. `codes` and `codebooks` are those of a FAISS
 * `ProductQuantizer(columns, subquantizers, 8)`: docs/quantization/learned.md.
 */
export const pq = coderScheme<{ readonly subquantizers: number | 'auto'; readonly iterations: number }>({
  name: 'pq',
  shorthand: 'subquantizers',
  isSlow: true,
  resolve(given: PqOptions) {
    requireOptions('pq', given, { subquantizers: true, iterations: true });
    const { subquantizers, iterations = 25 } = given;
    return {
      subquantizers: countOrAuto('pq', 'subquantizers', subquantizers),
      iterations: wholeNumber('pq', 'iterations', iterations, 1, MOST_ITERATIONS),
    };
  },
  tensors({ subquantizers }, columns) {
    const books = booksOf(subquantizers, columns);
    return [{ name: 'codebooks', shape: [books, CENTROIDS, columns / books] }];
  },
  train({ subquantizers, iterations }, sample) {
    const { columns } = sample;
    const books = booksOf(subquantizers, columns);
    const dims = columns / books;
    const rows = trainingRows(sample);
    const values = new Float32Array(CENTROIDS * columns);
    for (let book = 0; book < books; book++) {
      const options = { centroids: CENTROIDS, iterations, seed: sample.seed + book };
      values.set(kMeans(partOf(rows, columns, book * dims, dims), dims, options), book * CENTROIDS * dims);
    }
    return [{ name: 'codebooks', shape: [books, CENTROIDS, dims], values }];
  },
  open({ subquantizers }, columns, [codebooks]) {
    const books = booksOf(subquantizers, columns);
    return openCodebooks(books, columns, codebooks?.values ?? new Float32Array());
  },
});

function openCodebooks(books: number, columns: number, values: Float32Array): Coder {
  const dims = columns / books;
  const encoder = once(() => {
    const made = new Codebooks(books, CENTROIDS, dims);
    made.place(values);
    return made;
  });
  return {
    parts: [{ name: 'codes', dtype: 'U8', shape: [books], rowBytes: books }],
    encode: (rows) => [encoder().nearest(rows)],
    decode([codes = new Uint8Array()]) {
      if (codes.length % books !== 0) {
        throw new SluiceError(`${codes.length} bytes are no rows of ${books} codes`, {
          code: 'QUANTIZE_CODE',
          hint: 'a part is cut short, or was made with another number of subquantizers',
        });
      }
      const rows = new Float32Array(codes.length * dims);
      for (let i = 0; i < codes.length; i++) {
        const from = ((i % books) * CENTROIDS + (codes[i] ?? 0)) * dims;
        for (let d = 0; d < dims; d++) rows[i * dims + d] = values[from + d] ?? 0;
      }
      return rows;
    },
  };
}

/** @throws PipelineError `BAD_OPTION` where they do not divide the columns */
function booksOf(subquantizers: number | 'auto', columns: number): number {
  if (subquantizers === 'auto') return divisorsOf(columns).findLast((divisor) => 8 * divisor <= columns) ?? 1;
  if (columns % subquantizers === 0) return subquantizers;
  throw new PipelineError(`pq: ${subquantizers} subquantizers do not divide ${columns} columns`, {
    code: 'BAD_OPTION',
    hint: `subquantizers may be ${divisorsOf(columns).join(', ')}`,
  });
}

function divisorsOf(columns: number): number[] {
  return Array.from({ length: columns }, (_, i) => i + 1).filter((divisor) => columns % divisor === 0);
}

/** @throws SluiceError `QUANTIZE_SAMPLE` */
function trainingRows({ rows, columns }: TrainingSample): Float32Array {
  const count = rows.length / columns;
  if (count < CENTROIDS) {
    throw new SluiceError(`pq learns ${CENTROIDS} centroids, and the sample has ${count} rows`, {
      code: 'QUANTIZE_SAMPLE',
      hint: `give it at least ${CENTROIDS} rows, better ${40 * CENTROIDS}, or a scheme that does not learn, such as int8`,
    });
  }
  return rows.subarray(0, ROWS_PER_CENTROID * CENTROIDS * columns);
}

/** f32[rows, width] of the columns from `first` on. */
function partOf(rows: Float32Array, columns: number, first: number, width: number): Float32Array {
  const count = rows.length / columns;
  const part = new Float32Array(count * width);
  for (let row = 0; row < count; row++) {
    const from = row * columns + first;
    part.set(rows.subarray(from, from + width), row * width);
  }
  return part;
}
