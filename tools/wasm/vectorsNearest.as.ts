/** Nearest centroids; part of vectors.as.ts. */

/** Bytes of the values of sixteen matrix rows for one column, and of sixteen results. */
const GROUP: usize = 64;

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
