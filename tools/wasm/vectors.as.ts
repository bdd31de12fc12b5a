/**
 * Products of matrices and vectors, and nearest centroids, in AssemblyScript; `build.mjs` compiles it,
 * src/quantization/vectors drives it.
 *
 * Matrices come packed: sixteen of their rows together, for each column the values of the sixteen. So sums grow in order of
 * the columns, each in a lane of its own, and what becomes of a row depends on nothing else: not on the rows beside it.
 * Every product and every sum is rounded to float32, or where a kernel says so to float64.
 */

/** Bytes of the values of sixteen matrix rows for one column, and of sixteen results. */
const GROUP: usize = 64;

/**
 * `out = W row (+ bias)`, and with `relu` zero where that is negative. The sum is taken from zero, then `bias` is added: a
 * vector for all rows where `biasStep` is 0, or one for each row, which may be `out` itself. `out` has `16 * groups` numbers
 * a row.
 */
export function dense(
  weights: usize,
  inputs: i32,
  groups: i32,
  rows: usize,
  rowBytes: usize,
  count: i32,
  bias: usize,
  biasStep: usize,
  relu: bool,
  out: usize,
): void {
  const step = <usize>groups * GROUP;
  const bytes = (<usize>inputs) << 2;
  for (let group = 0; group < groups; group++) {
    let row = rows;
    let to = out + <usize>group * GROUP;
    let from = bias + <usize>group * GROUP;
    let left = count;
    for (; left >= 3; left -= 3) {
      three(weights, row, bytes, rowBytes, from, biasStep, relu, to, step);
      row += 3 * rowBytes;
      to += 3 * step;
      from += 3 * biasStep;
    }
    for (; left > 0; left--) {
      one(weights, row, bytes, from, relu, to);
      row += rowBytes;
      to += step;
      from += biasStep;
    }
    weights += <usize>inputs * GROUP;
  }
}

function finish(sum: v128, bias: usize, relu: bool, out: usize): void {
  const value = f32x4.add(sum, v128.load(bias));
  v128.store(out, relu ? f32x4.pmax(f32x4.splat(0), value) : value);
}

function one(weights: usize, row: usize, bytes: usize, bias: usize, relu: bool, out: usize): void {
  let a = f32x4.splat(0);
  let b = f32x4.splat(0);
  let c = f32x4.splat(0);
  let d = f32x4.splat(0);
  for (const end = row + bytes; row < end; row += 4) {
    const x = v128.load32_splat(row);
    a = f32x4.add(a, f32x4.mul(x, v128.load(weights)));
    b = f32x4.add(b, f32x4.mul(x, v128.load(weights, 16)));
    c = f32x4.add(c, f32x4.mul(x, v128.load(weights, 32)));
    d = f32x4.add(d, f32x4.mul(x, v128.load(weights, 48)));
    weights += GROUP;
  }
  finish(a, bias, relu, out);
  finish(b, bias + 16, relu, out + 16);
  finish(c, bias + 32, relu, out + 32);
  finish(d, bias + 48, relu, out + 48);
}

function three(
  weights: usize,
  row: usize,
  bytes: usize,
  rowBytes: usize,
  bias: usize,
  biasStep: usize,
  relu: bool,
  out: usize,
  step: usize,
): void {
  let a0 = f32x4.splat(0);
  let b0 = f32x4.splat(0);
  let c0 = f32x4.splat(0);
  let d0 = f32x4.splat(0);
  let a1 = f32x4.splat(0);
  let b1 = f32x4.splat(0);
  let c1 = f32x4.splat(0);
  let d1 = f32x4.splat(0);
  let a2 = f32x4.splat(0);
  let b2 = f32x4.splat(0);
  let c2 = f32x4.splat(0);
  let d2 = f32x4.splat(0);
  const second = row + rowBytes;
  const third = second + rowBytes;
  for (let at: usize = 0; at < bytes; at += 4) {
    const x0 = v128.load32_splat(row + at);
    const x1 = v128.load32_splat(second + at);
    const x2 = v128.load32_splat(third + at);
    let w = v128.load(weights);
    a0 = f32x4.add(a0, f32x4.mul(x0, w));
    a1 = f32x4.add(a1, f32x4.mul(x1, w));
    a2 = f32x4.add(a2, f32x4.mul(x2, w));
    w = v128.load(weights, 16);
    b0 = f32x4.add(b0, f32x4.mul(x0, w));
    b1 = f32x4.add(b1, f32x4.mul(x1, w));
    b2 = f32x4.add(b2, f32x4.mul(x2, w));
    w = v128.load(weights, 32);
    c0 = f32x4.add(c0, f32x4.mul(x0, w));
    c1 = f32x4.add(c1, f32x4.mul(x1, w));
    c2 = f32x4.add(c2, f32x4.mul(x2, w));
    w = v128.load(weights, 48);
    d0 = f32x4.add(d0, f32x4.mul(x0, w));
    d1 = f32x4.add(d1, f32x4.mul(x1, w));
    d2 = f32x4.add(d2, f32x4.mul(x2, w));
    weights += GROUP;
  }
  finish(a0, bias, relu, out);
  finish(b0, bias + 16, relu, out + 16);
  finish(c0, bias + 32, relu, out + 32);
  finish(d0, bias + 48, relu, out + 48);
  bias += biasStep;
  out += step;
  finish(a1, bias, relu, out);
  finish(b1, bias + 16, relu, out + 16);
  finish(c1, bias + 32, relu, out + 32);
  finish(d1, bias + 48, relu, out + 48);
  bias += biasStep;
  out += step;
  finish(a2, bias, relu, out);
  finish(b2, bias + 16, relu, out + 16);
  finish(c2, bias + 32, relu, out + 32);
  finish(d2, bias + 48, relu, out + 48);
}

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

/**
 * Of each row's part the nearest of `16 * groups` centroids by squared distance, as a byte; of several that are equally near
 * the first. Differences are squared and added in order of the columns. Where every distance is infinite it is 0.
 */
export function nearest(
  centroids: usize,
  columns: i32,
  groups: i32,
  rows: usize,
  rowBytes: usize,
  count: i32,
  codes: usize,
  codeStep: usize,
): void {
  const bytes = (<usize>columns) << 2;
  const far = f32x4.splat(Infinity);
  const lanes = i32x4(0, 1, 2, 3);
  let left = count;
  while (left > 0) {
    // the last of an odd count goes with itself
    const second = left > 1 ? rows + rowBytes : rows;
    let best0 = far;
    let best1 = far;
    let code0 = lanes;
    let code1 = lanes;
    let code = lanes;
    let from = centroids;
    for (let group = 0; group < groups; group++) {
      let a0 = f32x4.splat(0);
      let b0 = f32x4.splat(0);
      let c0 = f32x4.splat(0);
      let d0 = f32x4.splat(0);
      let a1 = f32x4.splat(0);
      let b1 = f32x4.splat(0);
      let c1 = f32x4.splat(0);
      let d1 = f32x4.splat(0);
      for (let at: usize = 0; at < bytes; at += 4) {
        const x0 = v128.load32_splat(rows + at);
        const x1 = v128.load32_splat(second + at);
        let w = v128.load(from);
        a0 = f32x4.add(a0, squared(f32x4.sub(x0, w)));
        a1 = f32x4.add(a1, squared(f32x4.sub(x1, w)));
        w = v128.load(from, 16);
        b0 = f32x4.add(b0, squared(f32x4.sub(x0, w)));
        b1 = f32x4.add(b1, squared(f32x4.sub(x1, w)));
        w = v128.load(from, 32);
        c0 = f32x4.add(c0, squared(f32x4.sub(x0, w)));
        c1 = f32x4.add(c1, squared(f32x4.sub(x1, w)));
        w = v128.load(from, 48);
        d0 = f32x4.add(d0, squared(f32x4.sub(x0, w)));
        d1 = f32x4.add(d1, squared(f32x4.sub(x1, w)));
        from += GROUP;
      }
      // in each lane the first of the least
      const four = i32x4.splat(4);
      let less = f32x4.lt(a0, best0);
      best0 = v128.bitselect(a0, best0, less);
      code0 = v128.bitselect(code, code0, less);
      less = f32x4.lt(a1, best1);
      best1 = v128.bitselect(a1, best1, less);
      code1 = v128.bitselect(code, code1, less);
      code = i32x4.add(code, four);
      less = f32x4.lt(b0, best0);
      best0 = v128.bitselect(b0, best0, less);
      code0 = v128.bitselect(code, code0, less);
      less = f32x4.lt(b1, best1);
      best1 = v128.bitselect(b1, best1, less);
      code1 = v128.bitselect(code, code1, less);
      code = i32x4.add(code, four);
      less = f32x4.lt(c0, best0);
      best0 = v128.bitselect(c0, best0, less);
      code0 = v128.bitselect(code, code0, less);
      less = f32x4.lt(c1, best1);
      best1 = v128.bitselect(c1, best1, less);
      code1 = v128.bitselect(code, code1, less);
      code = i32x4.add(code, four);
      less = f32x4.lt(d0, best0);
      best0 = v128.bitselect(d0, best0, less);
      code0 = v128.bitselect(code, code0, less);
      less = f32x4.lt(d1, best1);
      best1 = v128.bitselect(d1, best1, less);
      code1 = v128.bitselect(code, code1, less);
      code = i32x4.add(code, four);
    }
    store<u8>(codes, <u8>firstOfLeast(best0, code0));
    if (left > 1) store<u8>(codes + codeStep, <u8>firstOfLeast(best1, code1));
    codes += 2 * codeStep;
    rows += 2 * rowBytes;
    left -= 2;
  }
}

function squared(x: v128): v128 {
  return f32x4.mul(x, x);
}

function firstOfLeast(distances: v128, codes: v128): i32 {
  const a = nearer(
    f32x4.extract_lane(distances, 0),
    i32x4.extract_lane(codes, 0),
    f32x4.extract_lane(distances, 1),
    i32x4.extract_lane(codes, 1),
  );
  const b = nearer(
    f32x4.extract_lane(distances, 2),
    i32x4.extract_lane(codes, 2),
    f32x4.extract_lane(distances, 3),
    i32x4.extract_lane(codes, 3),
  );
  const low = min(f32x4.extract_lane(distances, 0), f32x4.extract_lane(distances, 1));
  const high = min(f32x4.extract_lane(distances, 2), f32x4.extract_lane(distances, 3));
  return nearer(low, a, high, b);
}

function nearer(a: f32, codeA: i32, b: f32, codeB: i32): i32 {
  if (a === b) return min(codeA, codeB);
  return a < b ? codeA : codeB;
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
