/**
 * Angles as `rope` and `turnKeys` read them, cos and sin of each pair in turn so that two pairs are one vector: f32[rows,
 * headDim] out of cos and sin, each f32[rows, headDim / 2]. Writes to `target` where that is given.
 */
export function anglesOf(
  cos: ArrayLike<number>,
  sin: ArrayLike<number>,
  target: Float32Array<ArrayBuffer> = new Float32Array(2 * cos.length),
): Float32Array<ArrayBuffer> {
  for (let pair = 0; pair < cos.length; pair++) {
    target[2 * pair] = cos[pair] ?? 1;
    target[2 * pair + 1] = sin[pair] ?? 0;
  }
  return target;
}
