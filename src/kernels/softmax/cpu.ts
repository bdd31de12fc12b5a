/** Softmax of each row, in float64: f32[rows, columns] to f64[rows, columns]; a row of minus infinities is all zeros. */
export function softmaxOfRows(logits: Float32Array, columns: number): Float64Array {
  const probabilities = new Float64Array(logits.length);
  for (let first = 0; first < logits.length; first += columns) {
    const values = logits.subarray(first, first + columns);
    const largest = values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
    if (largest === Number.NEGATIVE_INFINITY) continue;
    const masses = Array.from(values, (value) => Math.exp(value - largest));
    const mass = masses.reduce((a, b) => a + b);
    for (const [i, own] of masses.entries()) probabilities[first + i] = own / mass;
  }
  return probabilities;
}
