/** `prominence^2 / (entropy + 1e-6)`, in float64. */
export function coherenceOf(prominence: Float32Array, entropies: Float32Array): Float64Array {
  return Float64Array.from(prominence, (value, i) => value ** 2 / ((entropies[i] ?? 0) + 1e-6));
}
