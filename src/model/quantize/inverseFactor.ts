/**
 * The upper triangular U with `inverse(H) = U^T U` of a symmetric positive definite H, both f64[n, n] row-major; undefined
 * where H is not positive definite to double precision.
 *
 * The inverse is never formed: H is split from its last column to its first into `R R^T` with R upper triangular, and U is
 * the inverse of R. So row i of U is what GPTQ needs of the inverse of H's part from i on.
 */
export function inverseFactor(h: Float64Array, n: number): Float64Array | undefined {
  const r = h.slice();
  const factors = new Float64Array(n);
  for (let column = n - 1; column >= 0; column--) {
    const pivot = r[column * n + column] ?? 0;
    if (!(pivot > 0)) return undefined;
    const root = Math.sqrt(pivot);
    for (let row = 0; row <= column; row++) {
      const value = (r[row * n + column] ?? 0) / root;
      r[row * n + column] = value;
      // a copy that lies together
      factors[row] = value;
    }
    for (let row = 0; row < column; row++) {
      const factor = factors[row] ?? 0;
      if (factor === 0) continue;
      const target = r.subarray(row * n, row * n + column);
      for (let other = row; other < column; other++) {
        target[other] = (target[other] ?? 0) - factor * (factors[other] ?? 0);
      }
    }
  }
  return upperInverse(r, n);
}

/** Of an upper triangular matrix; what is below the diagonal is not looked at. */
function upperInverse(r: Float64Array, n: number): Float64Array {
  const u = new Float64Array(n * n);
  for (let row = n - 1; row >= 0; row--) {
    const pivot = r[row * n + row] ?? 1;
    const target = u.subarray(row * n, (row + 1) * n);
    target[row] = 1;
    for (let k = row + 1; k < n; k++) {
      const factor = r[row * n + k] ?? 0;
      if (factor === 0) continue;
      const source = u.subarray(k * n, (k + 1) * n);
      for (let column = k; column < n; column++) {
        target[column] = (target[column] ?? 0) - factor * (source[column] ?? 0);
      }
    }
    for (let column = row; column < n; column++) target[column] = (target[column] ?? 0) / pivot;
  }
  return u;
}
