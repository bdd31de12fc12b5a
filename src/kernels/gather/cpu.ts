/** Rows of a table, zeros for an index that it does not have: f32[vocabulary, columns], u32[rows] to f32[rows, columns]. */
export function gatherRows(table: Float32Array, indices: Uint32Array, columns: number): Float32Array {
  const gathered = new Float32Array(indices.length * columns);
  for (const [row, index] of indices.entries()) {
    gathered.set(table.subarray(index * columns, (index + 1) * columns), row * columns);
  }
  return gathered;
}
