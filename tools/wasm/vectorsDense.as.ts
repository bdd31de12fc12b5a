/** Products of packed matrices and rows in float32; part of vectors.as.ts. */

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
