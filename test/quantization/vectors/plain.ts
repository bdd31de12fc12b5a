/** What the kernels compute, in plain loops: one operation after the other, each rounded as they round it. */

/** Sum of products from zero in order, every operation rounded to float32. */
export function plainDot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum = Math.fround(sum + Math.fround((a[i] ?? 0) * (b[i] ?? 0)));
  return sum;
}

export const rowOf = (matrix: Float32Array, columns: number, row: number): Float32Array =>
  matrix.subarray(row * columns, (row + 1) * columns);

/** `matrix row`, for each row. */
export function plainProduct(rows: Float32Array, matrix: Float32Array, columns: number): Float32Array {
  const [count, outputs] = [rows.length / columns, matrix.length / columns];
  return Float32Array.from({ length: count * outputs }, (_, at) => {
    const output = at % outputs;
    return plainDot(rowOf(rows, columns, (at - output) / outputs), rowOf(matrix, columns, output));
  });
}

/** `matrix (row - centre) + shift` in float64, rounded once. */
export function plainLinear(
  rows: Float32Array,
  matrix: Float32Array,
  centre: Float32Array,
  shift: Float32Array,
): Float32Array {
  const columns = centre.length;
  const outputs = shift.length;
  const out = new Float32Array((rows.length / columns) * outputs);
  for (let at = 0; at < out.length; at++) {
    const output = at % outputs;
    const from = ((at - output) / outputs) * columns;
    let sum = 0;
    for (let i = 0; i < columns; i++) {
      sum += ((rows[from + i] ?? 0) - (centre[i] ?? 0)) * (matrix[output * columns + i] ?? 0);
    }
    out[at] = sum + (shift[output] ?? 0);
  }
  return out;
}

/** Number of the nearest centroid for each part of each row, and the first of several. */
export function plainNearest(rows: Float32Array, codebooks: Float32Array, books: number, dims: number): Uint8Array {
  const centroids = codebooks.length / (books * dims);
  const codes = new Uint8Array(rows.length / dims);
  for (let i = 0; i < codes.length; i++) {
    let best = Number.POSITIVE_INFINITY;
    for (let c = 0; c < centroids; c++) {
      let distance = 0;
      for (let d = 0; d < dims; d++) {
        const centroid = codebooks[((i % books) * centroids + c) * dims + d] ?? 0;
        const difference = Math.fround((rows[i * dims + d] ?? 0) - centroid);
        distance = Math.fround(distance + Math.fround(difference * difference));
      }
      if (distance >= best) continue;
      best = distance;
      codes[i] = c;
    }
  }
  return codes;
}
