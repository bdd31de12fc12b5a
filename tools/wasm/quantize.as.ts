/**
 * Codes of float32 numbers in AssemblyScript; `build.mjs` compiles it, src/quantization/codes/ drives it. The formula is
 * that of src/quantization/codes/linear.ts; test/quantization/codes/plain.ts is the same in plain loops, bit for bit.
 *
 * Adding 1.5 * 2^23 rounds a float32 number below 2^22 half to even and leaves it as a whole number in the low bits.
 * `held` keeps V8 from making a constant anew in every round of a loop. Stored numbers of up to 8 bits are made as bytes,
 * longer ones as 16 bits, row behind row; quantizePack.as.ts puts them together.
 */

export { pack8, pack16, packTrits, tritTable, unpack8, unpack16, unpackTrits } from './quantizePack.as';
export { meanSteps, searchSteps } from './quantizeSearch.as';
export { addMagnitudes, extremeSteps, extremes, magnitudeSteps, magnitudes } from './quantizeSteps.as';
export { columnValues, floats, halves, quotients8, quotients16, signValues, values } from './quantizeValues.as';

const MAGIC: u32 = 0x4b400000;

/** The same 32 bits in every lane. A memory never has 2^17 pages. */
function held(bits: u32): v128 {
  return i32x4.splat(bits | (memory.size() >>> 17));
}

/**
 * Bytes of numbers whose products with `inverses`, one for each block, stay below 2^15: `clip(round(product) + zero, low,
 * high) + bias`, half to even, then the highest bit changed where `flip` is 128. `zeros` is 0 where there are none; `bias`
 * makes it 0..255.
 */
export function boundedCodes(
  source: usize,
  rows: usize,
  columns: usize,
  block: usize,
  inverses: usize,
  zeros: usize,
  low: i32,
  high: i32,
  bias: i32,
  flip: i32,
  target: usize,
): void {
  const magic = held(MAGIC);
  const lows = i8x16.splat((low + bias) as i8);
  const highs = i8x16.splat((high + bias) as i8);
  const flips = i8x16.splat(flip as i8);
  for (; rows > 0; rows--) {
    for (let left = columns; left > 0; ) {
      const length = min(left, block);
      left -= length;
      const inverse = v128.load32_splat(inverses);
      inverses += 4;
      let moved = bias;
      if (zeros !== 0) {
        moved += load<i32>(zeros);
        zeros += 4;
      }
      const offset = i32x4.splat(MAGIC - moved);
      const end = target + length;
      for (let many = length >> 4; many > 0; many--) {
        const a = i32x4.sub(f32x4.add(f32x4.mul(v128.load(source), inverse), magic), offset);
        const b = i32x4.sub(f32x4.add(f32x4.mul(v128.load(source, 16), inverse), magic), offset);
        const c = i32x4.sub(f32x4.add(f32x4.mul(v128.load(source, 32), inverse), magic), offset);
        const d = i32x4.sub(f32x4.add(f32x4.mul(v128.load(source, 48), inverse), magic), offset);
        const stored = i8x16.narrow_i16x8_u(i16x8.narrow_i32x4_s(a, b), i16x8.narrow_i32x4_s(c, d));
        v128.store(target, v128.xor(i8x16.max_u(i8x16.min_u(stored, highs), lows), flips));
        source += 64;
        target += 16;
      }
      for (; target < end; target++) {
        const rounded = nearest<f32>(load<f32>(source) * f32x4.extract_lane(inverse, 0)) as i32;
        store<u8>(target, max(min(rounded + moved, high + bias), low + bias) ^ flip);
        source += 4;
      }
    }
  }
}

/**
 * As `boundedCodes` for products of any size: `clip(round((x - middle) * inverse) + zero, low, high) + bias`, then its
 * highest bit changed where `flip` is 128. `bias` makes it 0..255.
 */
export function clippedCodes8(
  source: usize,
  rows: usize,
  columns: usize,
  block: usize,
  inverses: usize,
  zeros: usize,
  middle: f32,
  low: i32,
  high: i32,
  bias: i32,
  away: bool,
  flip: i32,
  target: usize,
): void {
  const magic = held(MAGIC);
  const flips = i8x16.splat(flip as i8);
  const middles = f32x4.splat(middle);
  for (; rows > 0; rows--) {
    for (let left = columns; left > 0; ) {
      const length = min(left, block);
      left -= length;
      const inverse = v128.load32_splat(inverses);
      const zero = load<i32>(zeros);
      inverses += 4;
      zeros += 4;
      const least = f32x4.splat((low - zero) as f32);
      const most = f32x4.splat((high - zero) as f32);
      const offset = i32x4.splat(MAGIC - zero - bias);
      const end = target + length;
      for (let many = length >> 4; many > 0; many--) {
        let a = product(source, middles, inverse, least, most);
        let b = product(source + 16, middles, inverse, least, most);
        let c = product(source + 32, middles, inverse, least, most);
        let d = product(source + 48, middles, inverse, least, most);
        if (away) {
          a = roundAway(a);
          b = roundAway(b);
          c = roundAway(c);
          d = roundAway(d);
        }
        const ab = i16x8.narrow_i32x4_s(whole(a, magic, offset), whole(b, magic, offset));
        const cd = i16x8.narrow_i32x4_s(whole(c, magic, offset), whole(d, magic, offset));
        v128.store(target, v128.xor(i8x16.narrow_i16x8_u(ab, cd), flips));
        source += 64;
        target += 16;
      }
      for (; target < end; target++) {
        let one = product(source, middles, inverse, least, most);
        if (away) one = roundAway(one);
        store<u8>(target, i32x4.extract_lane(whole(one, magic, offset), 0) ^ flip);
        source += 4;
      }
    }
  }
}

/** As `clippedCodes8` in 16 bits each. */
export function clippedCodes16(
  source: usize,
  rows: usize,
  columns: usize,
  inverses: usize,
  middle: f32,
  low: i32,
  high: i32,
  bias: i32,
  away: bool,
  target: usize,
): void {
  const magic = held(MAGIC);
  const middles = f32x4.splat(middle);
  const least = f32x4.splat(low as f32);
  const most = f32x4.splat(high as f32);
  const offset = i32x4.splat(MAGIC - bias);
  for (; rows > 0; rows--) {
    const inverse = v128.load32_splat(inverses);
    inverses += 4;
    const end = target + (columns << 1);
    for (let many = columns >> 3; many > 0; many--) {
      let a = product(source, middles, inverse, least, most);
      let b = product(source + 16, middles, inverse, least, most);
      if (away) {
        a = roundAway(a);
        b = roundAway(b);
      }
      v128.store(target, i16x8.narrow_i32x4_u(whole(a, magic, offset), whole(b, magic, offset)));
      source += 32;
      target += 16;
    }
    for (; target < end; target += 2) {
      let one = product(source, middles, inverse, least, most);
      if (away) one = roundAway(one);
      store<u16>(target, i32x4.extract_lane(whole(one, magic, offset), 0));
      source += 4;
    }
  }
}

/**
 * Bytes where each column has its own `inverses`, `leasts` and `mosts` (float32: `low - zero`, `high - zero`) and
 * `offsets` (i32: 0x4b400000 - zero - bias).
 */
export function columnCodes(
  source: usize,
  rows: usize,
  columns: usize,
  inverses: usize,
  leasts: usize,
  mosts: usize,
  offsets: usize,
  flip: i32,
  target: usize,
): void {
  const flips = i8x16.splat(flip as i8);
  for (; rows > 0; rows--) {
    let at: usize = 0;
    for (; at + 16 <= columns; at += 16) {
      const f = at << 2;
      const a = columnCode(source, inverses + f, leasts + f, mosts + f, offsets + f);
      const b = columnCode(source + 16, inverses + f + 16, leasts + f + 16, mosts + f + 16, offsets + f + 16);
      const c = columnCode(source + 32, inverses + f + 32, leasts + f + 32, mosts + f + 32, offsets + f + 32);
      const d = columnCode(source + 48, inverses + f + 48, leasts + f + 48, mosts + f + 48, offsets + f + 48);
      const ab = i16x8.narrow_i32x4_s(a, b);
      v128.store(target + at, v128.xor(i8x16.narrow_i16x8_u(ab, i16x8.narrow_i32x4_s(c, d)), flips));
      source += 64;
    }
    for (; at < columns; at++) {
      const f = at << 2;
      const code = columnCode(source, inverses + f, leasts + f, mosts + f, offsets + f);
      store<u8>(target + at, i32x4.extract_lane(code, 0) ^ flip);
      source += 4;
    }
    target += columns;
  }
}

function columnCode(source: usize, inverse: usize, least: usize, most: usize, offset: usize): v128 {
  const products = product(source, i32x4.splat(0), v128.load(inverse), v128.load(least), v128.load(most));
  return whole(products, i32x4.splat(MAGIC), v128.load(offset));
}

function product(source: usize, middle: v128, inverse: v128, least: v128, most: v128): v128 {
  const found = f32x4.mul(f32x4.sub(v128.load(source), middle), inverse);
  return f32x4.pmin(most, f32x4.pmax(least, found));
}

/** Rounded half to even and moved by what `offset` lacks of the bits of 1.5 * 2^23. */
function whole(products: v128, magic: v128, offset: v128): v128 {
  return i32x4.sub(f32x4.add(products, magic), offset);
}

function roundAway(products: v128): v128 {
  const towards0 = f32x4.trunc(products);
  const isFar = f32x4.ge(f32x4.abs(f32x4.sub(products, towards0)), f32x4.splat(0.5));
  const one = v128.or(v128.and(products, i32x4.splat(0x80000000)), f32x4.splat(1));
  return f32x4.add(towards0, v128.and(isFar, one));
}

/** A bit for each number above -2^-126, lowest bit first, rows padded to bytes. */
export function signs(source: usize, rows: usize, columns: usize, target: usize): void {
  const least = f32x4.splat(-1.1754943508222875e-38);
  for (; rows > 0; rows--) {
    for (let many = columns >> 4; many > 0; many--) {
      const ab = i16x8.narrow_i32x4_s(f32x4.gt(v128.load(source), least), f32x4.gt(v128.load(source, 16), least));
      const cd = i16x8.narrow_i32x4_s(f32x4.gt(v128.load(source, 32), least), f32x4.gt(v128.load(source, 48), least));
      store<u16>(target, i8x16.bitmask(i8x16.narrow_i16x8_s(ab, cd)));
      source += 64;
      target += 2;
    }
    let left = columns & 15;
    while (left > 0) {
      const some = min(left, 8);
      let bits: u32 = 0;
      for (let i: usize = 0; i < some; i++) {
        bits |= ((load<f32>(source) > -1.1754943508222875e-38) as u32) << (i as u32);
        source += 4;
      }
      store<u8>(target, bits);
      target++;
      left -= some;
    }
  }
}
