import { ModelError } from '../../errors.ts';
import { INT4_BLOCKS, type QuantizedMatrix, scaleCount } from '../quantized/matrix.ts';
import { type BlockLine, blockCode, blockLine, blockValue } from './blockLine.ts';
import type { FloatMatrix } from './floatMatrix.ts';
import { inverseFactor } from './inverseFactor.ts';

/** Of the mean of the diagonal, added to it: what keeps inputs that never vary from making the inverse grow. */
const DAMPING = 0.01;
const DAMPING_TRIES = 4;
/** Rows that go through the columns together: their weights stay in the cache while a row of the factor passes. */
const ROWS = 32;

/**
 * 4-bit blocks of a linear weight that keep its outputs, not its weights (GPTQ, arXiv 2210.17323).
 *
 * What an error of a row costs is `e^T H e`, with H the sum of `x x^T` over inputs x that were seen. Columns are rounded
 * from the first to the last. When one is rounded, the columns that are still free take up what they can of its error:
 * the best they can do is in the inverse of H's part from that column on, whose rows, divided by the root of their
 * diagonal, are those of the factor U with `inverse(H) = U^T U`. With `d = (w_i - q_i) / U_ii`, every later weight
 * becomes `w_j - d * U_ij`, and what cannot be taken up costs `d^2`. So scale and minimum of a block are searched when its
 * first column comes, on the weights as they have become, with `1 / U_ii^2` as what an error in a column counts.
 *
 * @param gram f64[in, in], the sum of `x x^T`
 * @throws ModelError `CALIBRATION_SAMPLE` for a matrix that is not positive, even damped
 */
export function gptq(matrix: FloatMatrix, type: keyof typeof INT4_BLOCKS, gram: Float64Array): QuantizedMatrix {
  const { outputs, inputs, values } = matrix;
  const factor = dampedFactor(gram, inputs);
  const importance = importanceOf(factor, inputs);
  const size = INT4_BLOCKS[type];
  const blocks = Math.ceil(inputs / size);
  const codes = new Int8Array(values.length);
  const scales = new Float32Array(scaleCount(type, outputs, inputs));
  const minima = new Float32Array(scales.length);
  for (let first = 0; first < outputs; first += ROWS) {
    const rows = Math.min(ROWS, outputs - first);
    const weights = Float64Array.from(values.subarray(first * inputs, (first + rows) * inputs));
    const lines: BlockLine[] = [];
    for (let column = 0; column < inputs; column++) {
      if (column % size === 0) {
        const end = Math.min(inputs, column + size);
        for (let row = 0; row < rows; row++) {
          const block = Float32Array.from(weights.subarray(row * inputs + column, row * inputs + end));
          const line = blockLine(block, { method: 'mse', importance: importance.subarray(column, end) });
          const group = (first + row) * blocks + column / size;
          lines[row] = line;
          scales[group] = line.scale;
          minima[group] = line.minimum;
        }
      }
      const influence = factor.subarray(column * inputs, (column + 1) * inputs);
      for (let row = 0; row < rows; row++) {
        const line = lines[row] ?? { scale: 0, minimum: 0 };
        const weight = weights[row * inputs + column] ?? 0;
        const code = blockCode(weight, line);
        codes[(first + row) * inputs + column] = code;
        feedForward(weights.subarray(row * inputs, (row + 1) * inputs), influence, column, blockValue(code, line));
      }
    }
  }
  return { type, outputs, inputs, codes, scales, minima };
}

/** Hands the error of one column of a row on to those after it. */
function feedForward(row: Float64Array, influence: Float64Array, column: number, rounded: number): void {
  const share = ((row[column] ?? 0) - rounded) / (influence[column] ?? 1);
  for (let later = column + 1; later < row.length; later++) {
    row[later] = (row[later] ?? 0) - share * (influence[later] ?? 0);
  }
}

/** In parts of that of the first column. */
function importanceOf(factor: Float64Array, n: number): Float64Array {
  const first = factor[0] ?? 1;
  return Float64Array.from({ length: n }, (_, i) => {
    const share = first / (factor[i * n + i] ?? first);
    // a power need not be rounded as a product is
    return share * share;
  });
}

function dampedFactor(gram: Float64Array, n: number): Float64Array {
  let trace = 0;
  for (let i = 0; i < n; i++) trace += gram[i * n + i] ?? 0;
  let damping = trace === 0 ? 1 : (DAMPING * trace) / n;
  for (let round = 0; round < DAMPING_TRIES; round++, damping *= 10) {
    const damped = gram.slice();
    for (let i = 0; i < n; i++) damped[i * n + i] = (damped[i * n + i] ?? 0) + damping;
    const factor = inverseFactor(damped, n);
    if (factor !== undefined) return factor;
  }
  throw new ModelError('The inputs of a weight give no positive matrix: they are not all numbers.', {
    code: 'CALIBRATION_SAMPLE',
    hint: 'Are the weights of the model damaged, or is the calibration text unlike anything it knows?',
  });
}
