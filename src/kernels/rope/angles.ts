/**
 * Angles as `rope` and `turnKeys` read them, cos and sin of each pair in turn so that two pairs are one vector: f32[rows,
 * headDim] out of cos and sin, each f32[rows, headDim / 2].
 */
export function anglesOf(cos: ArrayLike<number>, sin: ArrayLike<number>): Float32Array<ArrayBuffer> {
  const angles = new Float32Array(2 * cos.length);
  for (let pair = 0; pair < cos.length; pair++) {
    angles[2 * pair] = cos[pair] ?? 1;
    angles[2 * pair + 1] = sin[pair] ?? 0;
  }
  return angles;
}
