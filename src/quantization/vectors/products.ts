import { compact, GROUP, pack, transposed, upTo, type Workspace, workspace } from './memory.ts';

/** A matrix, row by row. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly values: Float32Array<ArrayBuffer>;
}

export const matrix = (rows: number, columns: number, values = new Float32Array(rows * columns)): Matrix => ({
  rows,
  columns,
  values,
});

export const transpose = ({ rows, columns, values }: Matrix): Matrix =>
  matrix(columns, rows, transposed(values, columns));

/**
 * Products of matrices of changing shapes, every operation rounded to float32 and every sum from zero in order of what is
 * summed over.
 */
export class Products {
  #sizes = { rows: 0, weights: 0, out: 0, zeros: 0 };
  #space: Workspace<'rows' | 'weights' | 'out' | 'zeros'> = workspace(this.#sizes);

  /** `a b^T`, f32[a.rows, b.rows]; what is summed over are the columns of both. */
  ofRows(a: Matrix, b: Matrix): Matrix {
    const width = upTo(b.rows, GROUP);
    this.#take(a.values.length, width * b.columns, a.rows * width, width);
    const { kernels, regions } = this.#space;
    regions.rows.set(a.values);
    pack(b.values, b.columns, regions.weights);
    const { rows, weights, out, zeros } = regions;
    const [inputs, groups] = [a.columns, width / GROUP];
    const at = [weights.byteOffset, rows.byteOffset, zeros.byteOffset, out.byteOffset] as const;
    kernels.dense(at[0], inputs, groups, at[1], 4 * inputs, a.rows, at[2], 0, false, at[3]);
    const result = matrix(a.rows, b.rows);
    compact(out, a.rows, b.rows, result.values);
    return result;
  }

  /** Regions only grow, by a half more than was asked for. */
  #take(rows: number, weights: number, out: number, zeros: number): void {
    const now = this.#sizes;
    if (rows <= now.rows && weights <= now.weights && out <= now.out && zeros <= now.zeros) return;
    const larger = (wanted: number, had: number): number => (wanted <= had ? had : Math.ceil(1.5 * wanted));
    this.#sizes = {
      rows: larger(rows, now.rows),
      weights: larger(weights, now.weights),
      out: larger(out, now.out),
      zeros: larger(zeros, now.zeros),
    };
    this.#space = workspace(this.#sizes);
  }
}
