/** `silu(gate) * up` of each row, in float64: f32[rows, 2 columns] to f64[rows, columns]. */
export function siluGateOfRows(gateUp: Float32Array, columns: number): Float64Array {
  return Float64Array.from({ length: gateUp.length / 2 }, (_, at) => {
    const first = Math.floor(at / columns) * 2 * columns + (at % columns);
    const gate = gateUp[first] ?? 0;
    return (gate / (1 + Math.exp(-gate))) * (gateUp[first + columns] ?? 0);
  });
}
