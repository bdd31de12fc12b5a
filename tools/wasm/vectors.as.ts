/**
 * Products of matrices and vectors, and nearest centroids, in AssemblyScript; `build.mjs` compiles it,
 * src/quantization/vectors drives it.
 *
 * Matrices come packed: sixteen of their rows together, for each column the values of the sixteen. So sums grow in order of
 * the columns, each in a lane of its own, and what becomes of a row depends on nothing else: not on the rows beside it.
 * Every product and every sum is rounded to float32, or where a kernel says so to float64.
 */

export { dense } from './vectorsDense.as';
export { nearest } from './vectorsNearest.as';
export { comoments, denseWide } from './vectorsWide.as';

/**
 * `out = rows - centre`, and whether every number of the rows is finite. `rows` and `out` have `columns` numbers a row and may
 * be the same.
 */
export function centre(rows: usize, count: i32, columns: i32, centre: usize, out: usize): bool {
  let odd = i32x4.splat(0);
  const wide = (<usize>(columns & ~3)) << 2;
  const bytes = (<usize>columns) << 2;
  for (; count > 0; count--) {
    for (let at: usize = 0; at < wide; at += 16) {
      const x = v128.load(rows + at);
      odd = v128.or(odd, unfinite(x));
      v128.store(out + at, f32x4.sub(x, v128.load(centre + at)));
    }
    for (let at = wide; at < bytes; at += 4) {
      const x = load<f32>(rows + at);
      odd = v128.or(odd, unfinite(f32x4.splat(x)));
      store<f32>(out + at, x - load<f32>(centre + at));
    }
    rows += bytes;
    out += bytes;
  }
  return !v128.any_true(odd);
}

/** All bits set where a number less itself is not zero. */
function unfinite(x: v128): v128 {
  return f32x4.ne(f32x4.sub(x, x), f32x4.splat(0));
}

/** As `centre`, to float64: differences are exact but where magnitudes are far apart. */
export function centreWide(rows: usize, count: i32, columns: i32, centre: usize, out: usize): bool {
  let odd: i32 = 0;
  for (; count > 0; count--) {
    for (let i = 0; i < columns; i++) {
      const at = (<usize>i) << 2;
      const difference = <f64>load<f32>(rows + at) - <f64>load<f32>(centre + at);
      odd |= i32(difference - difference !== 0);
      store<f64>(out, difference);
      out += 8;
    }
    rows += (<usize>columns) << 2;
  }
  return !odd;
}
