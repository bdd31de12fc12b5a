import { normalScale, roundEven } from '../../../kernels/rounding.ts';

/**
 * Largest magnitude of a quantized weight. Seven bits, because processors without integer dot products add pairs of
 * products in 16 bits: 2 * 255 * 63 still fits, so that every machine computes the same integers.
 */
export const WEIGHT_LEVELS = 63;

/** i8[in, out] and f32[out]. */
export interface Int8Matrix {
  readonly values: Int8Array;
  readonly scales: Float32Array;
}

/**
 * Quantizes rows `first` and following of a linear weight, f32[rows, in], each with a scale of its own so that its largest
 * magnitude becomes 63 (round half to even), and stores them as columns. A row without a weight of 63 * 2^-126 is zeros.
 */
export function quantizeRows(rows: Float32Array, target: Int8Matrix, first: number): void {
  const { values, scales } = target;
  const outputs = scales.length;
  const inputs = values.length / outputs;
  for (let row = 0, output = first; row * inputs < rows.length; row++, output++) {
    const weights = rows.subarray(row * inputs, (row + 1) * inputs);
    let largest = 0;
    for (let i = 0; i < inputs; i++) {
      const magnitude = Math.abs(weights[i] ?? 0);
      // what is no number stays none, so that the entropies are none and somebody says so
      if (magnitude > largest || Number.isNaN(magnitude)) largest = magnitude;
    }
    const scale = normalScale(largest / WEIGHT_LEVELS);
    scales[output] = scale;
    const inverse = scale === 0 ? 0 : 1 / scale;
    for (let i = 0, at = output; i < inputs; i++, at += outputs) values[at] = roundEven((weights[i] ?? 0) * inverse);
  }
}
