/** Entropy in nats of the softmax of each row, in float64: f32[rows, columns] to f64[rows]. */
export function entropyOfRows(logits: Float32Array, columns: number): Float64Array {
  const entropies = new Float64Array(logits.length / columns);
  for (let row = 0; row < entropies.length; row++) {
    const values = logits.subarray(row * columns, (row + 1) * columns);
    const largest = values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
    let mass = 0;
    let weighted = 0;
    for (const value of values) {
      const shift = value - largest;
      mass += Math.exp(shift);
      weighted += shift * Math.exp(shift);
    }
    entropies[row] = Math.log(mass) - weighted / mass;
  }
  return entropies;
}
