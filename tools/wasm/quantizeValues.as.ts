/**
 * Values of codes: part of quantize.as.ts. Stored numbers become float32 by being put below the bits of 2^23, which is then
 * taken away. Answers are 0, or something else where a stored number is outside of `least .. most`.
 */

const TWO_TO_23: f32 = 8388608;
const UPPER_BITS: u32 = 0x4b004b00;

function held(bits: u32): v128 {
  return i32x4.splat(bits | (memory.size() >>> 17));
}

/** `(stored ^ flip) - bias - zero` times the scale of the block; `zeros` is 0 where there are none. */
export function values(
  source: usize,
  rows: usize,
  columns: usize,
  block: usize,
  scales: usize,
  zeros: usize,
  bias: i32,
  flip: i32,
  least: i32,
  most: i32,
  target: usize,
): i32 {
  const upper = held(UPPER_BITS);
  const none = held(0);
  const flips = i8x16.splat(flip as i8);
  let lows = i8x16.splat(-1);
  let highs = none;
  let wrong = 0;
  for (; rows > 0; rows--) {
    for (let left = columns; left > 0; ) {
      const length = min(left, block);
      left -= length;
      const scale = v128.load32_splat(scales);
      scales += 4;
      const offset = f32x4.splat(TWO_TO_23 + ((zeros === 0 ? bias : bias + load<i32>(zeros)) as f32));
      if (zeros !== 0) zeros += 4;
      const end = source + length;
      for (let many = length >> 4; many > 0; many--) {
        const bytes = v128.xor(v128.load(source), flips);
        lows = i8x16.min_u(lows, bytes);
        highs = i8x16.max_u(highs, bytes);
        const low = lowBytes(bytes, none);
        const high = highBytes(bytes, none);
        v128.store(target, f32x4.mul(f32x4.sub(lowHalves(low, upper), offset), scale));
        v128.store(target, f32x4.mul(f32x4.sub(highHalves(low, upper), offset), scale), 16);
        v128.store(target, f32x4.mul(f32x4.sub(lowHalves(high, upper), offset), scale), 32);
        v128.store(target, f32x4.mul(f32x4.sub(highHalves(high, upper), offset), scale), 48);
        source += 16;
        target += 64;
      }
      for (; source < end; source++) {
        const stored = (load<u8>(source) as i32) ^ flip;
        wrong |= ((stored < least) as i32) | ((stored > most) as i32);
        store<f32>(
          target,
          (TWO_TO_23 + (stored as f32) - f32x4.extract_lane(offset, 0)) * f32x4.extract_lane(scale, 0),
        );
        target += 4;
      }
    }
  }
  const below = i8x16.lt_u(lows, i8x16.splat(least as i8));
  return wrong | (v128.any_true(v128.or(below, i8x16.gt_u(highs, i8x16.splat(most as i8)))) as i32);
}

/** As `values`, a scale and an offset (f32: 2^23 + bias + zero) for each column. */
export function columnValues(
  source: usize,
  rows: usize,
  columns: usize,
  scales: usize,
  offsets: usize,
  flip: i32,
  least: i32,
  target: usize,
): i32 {
  const upper = held(UPPER_BITS);
  const none = held(0);
  const flips = i8x16.splat(flip as i8);
  let wrong = 0;
  for (; rows > 0; rows--) {
    let at: usize = 0;
    for (; at + 8 <= columns; at += 8) {
      const stored = v128.xor(v128.load64_zero(source), flips);
      wrong |= v128.any_true(v128.and(i8x16.lt_u(stored, i8x16.splat(least as i8)), i64x2(-1, 0))) as i32;
      const halves = lowBytes(stored, none);
      const f = at << 2;
      const low = f32x4.sub(lowHalves(halves, upper), v128.load(offsets + f));
      const high = f32x4.sub(highHalves(halves, upper), v128.load(offsets + f, 16));
      v128.store(target, f32x4.mul(low, v128.load(scales + f)));
      v128.store(target, f32x4.mul(high, v128.load(scales + f, 16)), 16);
      source += 8;
      target += 32;
    }
    for (; at < columns; at++) {
      const stored = (load<u8>(source) as i32) ^ flip;
      wrong |= (stored < least) as i32;
      const f = at << 2;
      store<f32>(target, (TWO_TO_23 + (stored as f32) - load<f32>(offsets + f)) * load<f32>(scales + f));
      source++;
      target += 4;
    }
  }
  return wrong;
}

/** `(stored - bias) / divisor * scale + middle`, a scale for each row. */
export function quotients8(
  source: usize,
  rows: usize,
  columns: usize,
  scales: usize,
  middle: f32,
  bias: i32,
  divisor: f32,
  most: i32,
  target: usize,
): i32 {
  const upper = held(UPPER_BITS);
  const none = held(0);
  const offset = f32x4.splat(TWO_TO_23 + (bias as f32));
  const divisors = f32x4.splat(divisor);
  const middles = f32x4.splat(middle);
  let wrong = 0;
  for (; rows > 0; rows--) {
    const scale = v128.load32_splat(scales);
    scales += 4;
    for (let many = columns >> 3; many > 0; many--) {
      const stored = v128.load64_zero(source);
      wrong |= v128.any_true(i8x16.gt_u(stored, i8x16.splat(most as i8))) as i32;
      const halves = lowBytes(stored, none);
      const low = f32x4.div(f32x4.sub(lowHalves(halves, upper), offset), divisors);
      const high = f32x4.div(f32x4.sub(highHalves(halves, upper), offset), divisors);
      v128.store(target, f32x4.add(f32x4.mul(low, scale), middles));
      v128.store(target, f32x4.add(f32x4.mul(high, scale), middles), 16);
      source += 8;
      target += 32;
    }
    for (let left = columns & 7; left > 0; left--) {
      const stored = load<u8>(source) as i32;
      wrong |= (stored > most) as i32;
      store<f32>(target, (((stored - bias) as f32) / divisor) * f32x4.extract_lane(scale, 0) + middle);
      source++;
      target += 4;
    }
  }
  return wrong;
}

/** As `quotients8` from 16-bit numbers. */
export function quotients16(
  source: usize,
  rows: usize,
  columns: usize,
  scales: usize,
  middle: f32,
  bias: i32,
  divisor: f32,
  most: i32,
  target: usize,
): i32 {
  const upper = held(UPPER_BITS);
  const offset = f32x4.splat(TWO_TO_23 + (bias as f32));
  const divisors = f32x4.splat(divisor);
  const middles = f32x4.splat(middle);
  let wrong = 0;
  for (; rows > 0; rows--) {
    const scale = v128.load32_splat(scales);
    scales += 4;
    for (let many = columns >> 3; many > 0; many--) {
      const stored = v128.load(source);
      wrong |= v128.any_true(i16x8.gt_u(stored, i16x8.splat(most as i16))) as i32;
      const low = f32x4.div(f32x4.sub(lowHalves(stored, upper), offset), divisors);
      const high = f32x4.div(f32x4.sub(highHalves(stored, upper), offset), divisors);
      v128.store(target, f32x4.add(f32x4.mul(low, scale), middles));
      v128.store(target, f32x4.add(f32x4.mul(high, scale), middles), 16);
      source += 16;
      target += 32;
    }
    for (let left = columns & 7; left > 0; left--) {
      const stored = load<u16>(source) as i32;
      wrong |= (stored > most) as i32;
      store<f32>(target, (((stored - bias) as f32) / divisor) * f32x4.extract_lane(scale, 0) + middle);
      source += 2;
      target += 4;
    }
  }
  return wrong;
}

/** The scale of a row where a bit is set, and its negative where not. */
export function signValues(source: usize, rows: usize, columns: usize, scales: usize, target: usize): i32 {
  const places = i32x4(1, 2, 4, 8);
  const none = i32x4.splat(0);
  let wrong = 0;
  for (; rows > 0; rows--) {
    const scale = v128.load32_splat(scales);
    const below = f32x4.sub(none, scale);
    scales += 4;
    for (let left = columns as i32; left > 0; left -= 8) {
      const bits = load<u8>(source) as u32;
      if (left < 8) wrong |= bits >> left;
      v128.store(target, v128.bitselect(below, scale, i32x4.eq(v128.and(i32x4.splat(bits), places), none)));
      v128.store(target, v128.bitselect(below, scale, i32x4.eq(v128.and(i32x4.splat(bits >> 4), places), none)), 16);
      source++;
      target += min(left, 8) << 2;
    }
  }
  return wrong;
}

/** Scales in binary16 to float32. Signs, infinities and NaN are refused. Reads and writes up to 3 more. */
export function halves(source: usize, count: usize, target: usize): i32 {
  const none = i32x4.splat(0);
  let wrong = 0;
  for (; count > 0; count -= min<usize>(count, 4)) {
    const bits = lowHalves(v128.load64_zero(source), none);
    const isSpecial = i32x4.bitmask(i32x4.gt_s(bits, i32x4.splat(0x7bff)));
    wrong |= count < 4 ? isSpecial & ((1 << (count as i32)) - 1) : isSpecial;
    const normal = i32x4.add(i32x4.shl(bits, 13), i32x4.splat(0x38000000));
    const subnormal = f32x4.mul(f32x4.convert_i32x4_s(bits), f32x4.splat(5.9604644775390625e-8));
    v128.store(target, v128.bitselect(subnormal, normal, i32x4.lt_s(bits, i32x4.splat(0x400))));
    source += 8;
    target += 16;
  }
  return wrong;
}

/** Looks at scales in float32: signs, infinities and NaN are refused. */
export function floats(source: usize, count: usize): i32 {
  let wrong = 0;
  for (; count > 0; count--) {
    wrong |= (load<u32>(source) >= 0x7f800000) as i32;
    source += 4;
  }
  return wrong;
}

function lowBytes(even: v128, odd: v128): v128 {
  return i8x16.shuffle(even, odd, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

function highBytes(even: v128, odd: v128): v128 {
  return i8x16.shuffle(even, odd, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}

function lowHalves(even: v128, odd: v128): v128 {
  return i16x8.shuffle(even, odd, 0, 8, 1, 9, 2, 10, 3, 11);
}

function highHalves(even: v128, odd: v128): v128 {
  return i16x8.shuffle(even, odd, 4, 12, 5, 13, 6, 14, 7, 15);
}
