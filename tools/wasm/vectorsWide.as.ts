/** Products in float64; part of vectors.as.ts. */

/** Bytes of the values of sixteen matrix rows for one column, and of sixteen results. */
const GROUP: usize = 64;

/**
 * As `dense`, with sums in float64 of rows that are float64: what comes out is rounded to float32 once. `bias` is a vector for
 * all rows, and `rows` have `inputs` numbers.
 */
export function denseWide(
  weights: usize,
  inputs: i32,
  groups: i32,
  rows: usize,
  count: i32,
  bias: usize,
  out: usize,
): void {
  const step = <usize>groups * GROUP;
  const bytes = (<usize>inputs) << 3;
  // eight results at a time: two halves of each group
  for (let half = 0; half < 2 * groups; half++) {
    const from = weights + <usize>(half >> 1) * <usize>inputs * GROUP + (half & 1 ? 32 : 0);
    const shift = bias + <usize>half * 32;
    let row = rows;
    let to = out + <usize>half * 32;
    let left = count;
    for (; left >= 3; left -= 3) {
      threeWide(from, row, bytes, shift, to, step);
      row += 3 * bytes;
      to += 3 * step;
    }
    for (; left > 0; left--) {
      oneWide(from, row, bytes, shift, to);
      row += bytes;
      to += step;
    }
  }
}

function wide(weights: usize): v128 {
  return f64x2.promote_low_f32x4(v128.load64_zero(weights));
}

function finishWide(low: v128, high: v128, bias: usize, out: usize): void {
  const first = f32x4.demote_f64x2_zero(f64x2.add(low, wide(bias)));
  const second = f32x4.demote_f64x2_zero(f64x2.add(high, wide(bias + 8)));
  v128.store(out, v128.shuffle<f32>(first, second, 0, 1, 4, 5));
}

function oneWide(weights: usize, row: usize, bytes: usize, bias: usize, out: usize): void {
  let a = f64x2.splat(0);
  let b = f64x2.splat(0);
  let c = f64x2.splat(0);
  let d = f64x2.splat(0);
  for (const end = row + bytes; row < end; row += 8) {
    const x = v128.load64_splat(row);
    a = f64x2.add(a, f64x2.mul(x, wide(weights)));
    b = f64x2.add(b, f64x2.mul(x, wide(weights + 8)));
    c = f64x2.add(c, f64x2.mul(x, wide(weights + 16)));
    d = f64x2.add(d, f64x2.mul(x, wide(weights + 24)));
    weights += GROUP;
  }
  finishWide(a, b, bias, out);
  finishWide(c, d, bias + 16, out + 16);
}

function threeWide(weights: usize, row: usize, bytes: usize, bias: usize, out: usize, step: usize): void {
  let a0 = f64x2.splat(0);
  let b0 = f64x2.splat(0);
  let c0 = f64x2.splat(0);
  let d0 = f64x2.splat(0);
  let a1 = f64x2.splat(0);
  let b1 = f64x2.splat(0);
  let c1 = f64x2.splat(0);
  let d1 = f64x2.splat(0);
  let a2 = f64x2.splat(0);
  let b2 = f64x2.splat(0);
  let c2 = f64x2.splat(0);
  let d2 = f64x2.splat(0);
  const second = row + bytes;
  const third = second + bytes;
  for (let at: usize = 0; at < bytes; at += 8) {
    const x0 = v128.load64_splat(row + at);
    const x1 = v128.load64_splat(second + at);
    const x2 = v128.load64_splat(third + at);
    let w = wide(weights);
    a0 = f64x2.add(a0, f64x2.mul(x0, w));
    a1 = f64x2.add(a1, f64x2.mul(x1, w));
    a2 = f64x2.add(a2, f64x2.mul(x2, w));
    w = wide(weights + 8);
    b0 = f64x2.add(b0, f64x2.mul(x0, w));
    b1 = f64x2.add(b1, f64x2.mul(x1, w));
    b2 = f64x2.add(b2, f64x2.mul(x2, w));
    w = wide(weights + 16);
    c0 = f64x2.add(c0, f64x2.mul(x0, w));
    c1 = f64x2.add(c1, f64x2.mul(x1, w));
    c2 = f64x2.add(c2, f64x2.mul(x2, w));
    w = wide(weights + 24);
    d0 = f64x2.add(d0, f64x2.mul(x0, w));
    d1 = f64x2.add(d1, f64x2.mul(x1, w));
    d2 = f64x2.add(d2, f64x2.mul(x2, w));
    weights += GROUP;
  }
  finishWide(a0, b0, bias, out);
  finishWide(c0, d0, bias + 16, out + 16);
  out += step;
  finishWide(a1, b1, bias, out);
  finishWide(c1, d1, bias + 16, out + 16);
  out += step;
  finishWide(a2, b2, bias, out);
  finishWide(c2, d2, bias + 16, out + 16);
}

/**
 * `out[i, j]` = sum over the rows of `row[i] * row[j]` in float64, in order of the rows, for j from the multiple of four below
 * i on; the rest of `out` stays as it is. `rows` is f64[count, columns] with a multiple of four columns.
 */
export function comoments(rows: usize, count: i32, columns: i32, out: usize): void {
  const step = (<usize>columns) << 3;
  const end = rows + <usize>count * step;
  for (let i = 0; i < columns; i += 4) {
    for (let j = i; j < columns; j += 4) {
      let a0 = f64x2.splat(0);
      let a1 = f64x2.splat(0);
      let b0 = f64x2.splat(0);
      let b1 = f64x2.splat(0);
      let c0 = f64x2.splat(0);
      let c1 = f64x2.splat(0);
      let d0 = f64x2.splat(0);
      let d1 = f64x2.splat(0);
      let left = rows + ((<usize>i) << 3);
      let right = rows + ((<usize>j) << 3);
      for (const stop = end + ((<usize>i) << 3); left < stop; left += step) {
        const y0 = v128.load(right);
        const y1 = v128.load(right, 16);
        let x = v128.load64_splat(left);
        a0 = f64x2.add(a0, f64x2.mul(x, y0));
        a1 = f64x2.add(a1, f64x2.mul(x, y1));
        x = v128.load64_splat(left, 8);
        b0 = f64x2.add(b0, f64x2.mul(x, y0));
        b1 = f64x2.add(b1, f64x2.mul(x, y1));
        x = v128.load64_splat(left, 16);
        c0 = f64x2.add(c0, f64x2.mul(x, y0));
        c1 = f64x2.add(c1, f64x2.mul(x, y1));
        x = v128.load64_splat(left, 24);
        d0 = f64x2.add(d0, f64x2.mul(x, y0));
        d1 = f64x2.add(d1, f64x2.mul(x, y1));
        right += step;
      }
      let to = out + <usize>i * step + ((<usize>j) << 3);
      v128.store(to, a0);
      v128.store(to, a1, 16);
      to += step;
      v128.store(to, b0);
      v128.store(to, b1, 16);
      to += step;
      v128.store(to, c0);
      v128.store(to, c1, 16);
      to += step;
      v128.store(to, d0);
      v128.store(to, d1, 16);
    }
  }
}
