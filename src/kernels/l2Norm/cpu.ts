/** Euclidean length of each row, in float64: f32[rows, columns] to f64[rows]. */
export function l2NormOfRows(states: Float32Array, columns: number): Float64Array {
  const norms = new Float64Array(states.length / columns);
  for (let row = 0; row < norms.length; row++) {
    let squares = 0;
    for (const value of states.subarray(row * columns, (row + 1) * columns)) squares += value ** 2;
    norms[row] = Math.sqrt(squares);
  }
  return norms;
}
