/** What is turned, laid out as the kernel reads it. */
export interface RopeInput {
  readonly qkv: Float32Array;
  readonly angles: Float32Array;
  readonly rows: Uint32Array;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
}

/** Queries, keys and values with queries and keys turned, in float64: f32[tokens, (heads + 2 kvHeads) * headDim] to f64. */
export function ropeOf({ qkv, angles, rows, heads, kvHeads, headDim }: RopeInput): Float64Array {
  const result = Float64Array.from(qkv);
  for (const [token, row] of rows.entries()) {
    for (let head = 0; head < heads + kvHeads; head++) {
      const at = (token * (heads + 2 * kvHeads) + head) * headDim;
      turnHead(result.subarray(at, at + headDim), angles.subarray(row * headDim, (row + 1) * headDim));
    }
  }
  return result;
}

/** Turns the pairs of one head in place; `direction` -1 turns them back. */
export function turnHead(head: Float64Array, angles: Float32Array, direction: 1 | -1 = 1): void {
  for (let d = 0; d < head.length; d += 2) {
    const [even = 0, odd = 0] = head.subarray(d);
    const [cos = 1, sin = 0] = angles.subarray(d);
    head[d] = even * cos - direction * odd * sin;
    head[d + 1] = direction * even * sin + odd * cos;
  }
}
