/**
 * What is found in groups of numbers, and the steps that follow: part of quantize.as.ts. A group is a block of a row; the
 * last of a row may be shorter. Kinds of steps: 0 float32, 1 binary16 within its normal range, 2 any binary16, 3 float32
 * and kept as the largest magnitude instead. Functions that make steps answer with the first group whose step the kind
 * cannot hold, or -1.
 */

export const SMALLEST_NORMAL: f32 = 1.1754943508222875e-38;
/** 2^-125: no smaller step, no larger inverse than 2^125. */
export const LEAST_STEP: f32 = 2.350988701644575e-38;
/** 2^-14, the least normal binary16 number. */
export const LEAST_HALF: f32 = 6.103515625e-5;
export const MOST_HALF: u32 = 0x7bff;

function held(bits: u32): v128 {
  return i32x4.splat(bits | (memory.size() >>> 17));
}

/** The largest magnitude of each group; of all of them, as bits: from 0x7f800000 on there is NaN or an infinity. */
export function magnitudes(source: usize, rows: usize, columns: usize, block: usize, target: usize): i32 {
  const kept = held(0x7fffffff);
  let all = i32x4.splat(0);
  for (; rows > 0; rows--) {
    for (let left = columns; left > 0; ) {
      const length = min(left, block);
      left -= length;
      const end = source + (length << 2);
      let a = i32x4.splat(0);
      let b = a;
      for (let many = length >> 4; many > 0; many--) {
        a = i32x4.max_s(a, v128.and(v128.load(source), kept));
        b = i32x4.max_s(b, v128.and(v128.load(source, 16), kept));
        a = i32x4.max_s(a, v128.and(v128.load(source, 32), kept));
        b = i32x4.max_s(b, v128.and(v128.load(source, 48), kept));
        source += 64;
      }
      for (; source < end; source += 4) b = i32x4.max_s(b, v128.and(v128.load32_zero(source), kept));
      a = i32x4.max_s(a, b);
      a = i32x4.max_s(a, i32x4.shuffle(a, a, 2, 3, 0, 1));
      a = i32x4.max_s(a, i32x4.shuffle(a, a, 1, 0, 3, 2));
      all = i32x4.max_s(all, a);
      v128.store32_lane(target, a, 0);
      target += 4;
    }
  }
  return i32x4.extract_lane(all, 0);
}

/** Least and largest value of each group, 0 among them, to `leasts` and `mosts`; answers as `magnitudes`. */
export function extremes(source: usize, rows: usize, columns: usize, block: usize, leasts: usize, mosts: usize): i32 {
  const kept = held(0x7fffffff);
  let all = i32x4.splat(0);
  for (; rows > 0; rows--) {
    for (let left = columns; left > 0; ) {
      const length = min(left, block);
      left -= length;
      const end = source + (length << 2);
      let least = i32x4.splat(0);
      let most = least;
      let otherLeast = least;
      let otherMost = least;
      for (let many = length >> 3; many > 0; many--) {
        const numbers = v128.load(source);
        const others = v128.load(source, 16);
        all = i32x4.max_s(all, i32x4.max_s(v128.and(numbers, kept), v128.and(others, kept)));
        least = f32x4.pmin(least, numbers);
        most = f32x4.pmax(most, numbers);
        otherLeast = f32x4.pmin(otherLeast, others);
        otherMost = f32x4.pmax(otherMost, others);
        source += 32;
      }
      least = f32x4.pmin(least, otherLeast);
      most = f32x4.pmax(most, otherMost);
      for (; source < end; source += 4) {
        const number = v128.load32_zero(source);
        all = i32x4.max_s(all, v128.and(number, kept));
        least = f32x4.pmin(least, number);
        most = f32x4.pmax(most, number);
      }
      least = f32x4.pmin(least, i32x4.shuffle(least, least, 2, 3, 0, 1));
      most = f32x4.pmax(most, i32x4.shuffle(most, most, 2, 3, 0, 1));
      v128.store32_lane(leasts, f32x4.pmin(least, i32x4.shuffle(least, least, 1, 0, 3, 2)), 0);
      v128.store32_lane(mosts, f32x4.pmax(most, i32x4.shuffle(most, most, 1, 0, 3, 2)), 0);
      leasts += 4;
      mosts += 4;
    }
  }
  all = i32x4.max_s(all, i32x4.shuffle(all, all, 2, 3, 0, 1));
  return i32x4.extract_lane(i32x4.max_s(all, i32x4.shuffle(all, all, 1, 0, 3, 2)), 0);
}

/** Adds the magnitudes of each row to its four sums, f64, one for columns 0, 4, 8 ..., the next for 1, 5, 9 ... */
export function addMagnitudes(source: usize, rows: usize, columns: usize, sums: usize): void {
  const kept = held(0x7fffffff);
  for (; rows > 0; rows--) {
    let low = v128.load(sums);
    let high = v128.load(sums, 16);
    for (let many = columns >> 2; many > 0; many--) {
      const numbers = v128.and(v128.load(source), kept);
      low = f64x2.add(low, f64x2.promote_low_f32x4(numbers));
      high = f64x2.add(high, f64x2.promote_low_f32x4(i32x4.shuffle(numbers, numbers, 2, 3, 2, 3)));
      source += 16;
    }
    v128.store(sums, low);
    v128.store(sums, high, 16);
    const left = columns & 3;
    for (let i: usize = 0; i < left; i++) {
      const sum = sums + (i << 3);
      store<f64>(sum, load<f64>(sum) + (abs(load<f32>(source)) as f64));
      source += 4;
    }
    sums += 32;
  }
}

/**
 * Steps whose multiples up to `divisor` reach the largest magnitude; of those in binary16, up to `reach`. Uses up to 12 bytes
 * behind each of the arrays.
 */
export function magnitudeSteps(
  mosts: usize,
  count: usize,
  divisor: f32,
  reach: f32,
  kind: i32,
  inverses: usize,
  stored: usize,
): i32 {
  const divisors = f32x4.splat(divisor);
  v128.store(mosts + (count << 2), i32x4.splat(0));
  let wrong = -1;
  for (let first: usize = 0; first < count; first += 4) {
    const found = v128.load(mosts + (first << 2));
    const most = v128.and(found, f32x4.ge(found, f32x4.splat(SMALLEST_NORMAL)));
    const exact = f32x4.div(most, divisors);
    let inverse: v128;
    let bad: v128;
    if (kind === 1 || kind === 2) {
      const isNone = f32x4.eq(most, i32x4.splat(0));
      const isLow = f32x4.lt(exact, f32x4.splat(LEAST_HALF));
      const odd = v128.and(i32x4.shr_u(exact, 13), i32x4.splat(1));
      const normal = i32x4.shr_s(i32x4.add(i32x4.add(exact, i32x4.splat(0xc8000fff)), odd), 13);
      const subnormal = i32x4.sub(f32x4.add(exact, f32x4.splat(0.5)), f32x4.splat(0.5));
      let half = v128.bitselect(subnormal, normal, isLow);
      const reached = f32x4.mul(fromHalves(half), f32x4.splat(reach));
      half = i32x4.sub(half, f32x4.gt(most, reached));
      bad = v128.or(i32x4.gt_s(half, i32x4.splat(MOST_HALF)), kind === 1 ? v128.andnot(isLow, isNone) : i32x4.splat(0));
      half = v128.andnot(half, isNone);
      inverse = v128.andnot(f32x4.div(f32x4.splat(1), fromHalves(half)), isNone);
      v128.store64_lane(stored + (first << 1), i16x8.narrow_i32x4_u(half, half), 0);
    } else {
      const isKept = f32x4.ge(exact, f32x4.splat(LEAST_STEP));
      const step = v128.and(kind === 3 ? most : exact, isKept);
      inverse = v128.and(f32x4.div(f32x4.splat(kind === 3 ? divisor : 1), step), isKept);
      bad = v128.and(f32x4.gt(inverse, i32x4.splat(0)), f32x4.lt(inverse, f32x4.splat(SMALLEST_NORMAL)));
      v128.store(stored + (first << 2), step);
    }
    v128.store(inverses + (first << 2), inverse);
    if (wrong < 0 && v128.any_true(bad)) wrong = (first as i32) + ctz(i32x4.bitmask(bad));
  }
  return wrong;
}

/** The values of binary16 numbers, finite and not below 0, in the low halves of lanes. */
export function fromHalves(halves: v128): v128 {
  const normal = i32x4.add(i32x4.shl(halves, 13), i32x4.splat(0x38000000));
  const subnormal = f32x4.mul(f32x4.convert_i32x4_s(halves), f32x4.splat(5.9604644775390625e-8));
  return v128.bitselect(subnormal, normal, i32x4.lt_s(halves, i32x4.splat(0x400)));
}

/** Steps of which `low .. high` reach from the least to the largest value, and the codes of zero. */
export function extremeSteps(
  leasts: usize,
  mosts: usize,
  count: usize,
  low: i32,
  high: i32,
  kind: i32,
  inverses: usize,
  zeros: usize,
  stored: usize,
): i32 {
  for (let first: usize = 0; first < count; first += 4) {
    const least = withoutSubnormal(v128.load(leasts + (first << 2)));
    const most = withoutSubnormal(v128.load(mosts + (first << 2)));
    v128.store(leasts + (first << 2), least);
    v128.store(mosts + (first << 2), halfOf(f32x4.pmin(i32x4.splat(0), least), f32x4.pmax(i32x4.splat(0), most)));
  }
  const width = (high - low) as f32;
  const wrong = magnitudeSteps(mosts, count, width / 2, (width + 0.5) / 2, kind, inverses, stored);
  const magic = i32x4.splat(0x4b400000);
  for (let first: usize = 0; first < count; first += 4) {
    const least = f32x4.pmin(i32x4.splat(0), v128.load(leasts + (first << 2)));
    const codes = f32x4.add(f32x4.mul(least, v128.load(inverses + (first << 2))), magic);
    const moved = i32x4.sub(i32x4.splat(low), i32x4.sub(codes, magic));
    v128.store(zeros + (first << 2), i32x4.min_s(moved, i32x4.splat(high)));
  }
  return wrong;
}

function withoutSubnormal(numbers: v128): v128 {
  return v128.and(numbers, f32x4.ge(f32x4.abs(numbers), f32x4.splat(SMALLEST_NORMAL)));
}

/** Half of what lies between, since all of it may be more than float32 holds. */
function halfOf(least: v128, most: v128): v128 {
  const half = f32x4.splat(0.5);
  return f32x4.sub(f32x4.mul(most, half), f32x4.mul(least, half));
}
