/** Root mean square norm of each row, in float64: f32[rows, columns], f32[columns] to f64[rows, columns]. */
export function rmsNormOfRows(states: Float32Array, weight: Float32Array, epsilon: number): Float64Array {
  const columns = weight.length;
  const normed = new Float64Array(states.length);
  for (let first = 0; first < states.length; first += columns) {
    let squares = 0;
    for (let i = first; i < first + columns; i++) squares += (states[i] ?? 0) ** 2;
    const root = Math.sqrt(squares / columns + epsilon);
    for (let i = 0; i < columns; i++) normed[first + i] = ((states[first + i] ?? 0) / root) * (weight[i] ?? 0);
  }
  return normed;
}
