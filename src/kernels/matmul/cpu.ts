/** f32[rows, inputs] times the transpose of f64[outputs, inputs], in float64. */
export function matmulOfRows(input: Float32Array, weights: Float64Array, inputs: number): Float64Array {
  const [rows, outputs] = [input.length / inputs, weights.length / inputs];
  const products = new Float64Array(rows * outputs);
  for (let row = 0; row < rows; row++) {
    for (let output = 0; output < outputs; output++) {
      let sum = 0;
      for (let i = 0; i < inputs; i++) sum += (input[row * inputs + i] ?? 0) * (weights[output * inputs + i] ?? 0);
      products[row * outputs + output] = sum;
    }
  }
  return products;
}
