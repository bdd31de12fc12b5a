/**
 * Means of runs of rows, in float64: f32[rows, columns], u32[patches], u32[patches] to f64[patches, columns]. A run of no
 * rows gives zeros; rows that do not exist count as zeros.
 */
export function meanPoolOfRuns(
  states: Float32Array,
  columns: number,
  starts: Uint32Array,
  lengths: Uint32Array,
): Float64Array {
  const rows = states.length / columns;
  const means = new Float64Array(starts.length * columns);
  for (const [patch, start] of starts.entries()) {
    const length = lengths[patch] ?? 0;
    for (let row = start; row < Math.min(start + length, rows); row++) {
      for (let i = 0; i < columns; i++) {
        means[patch * columns + i] = (means[patch * columns + i] ?? 0) + (states[row * columns + i] ?? 0) / length;
      }
    }
  }
  return means;
}
