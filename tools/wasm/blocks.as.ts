/**
 * Block decoders in AssemblyScript; `build.mjs` compiles them. Layouts: src/kernels/blocks/layout.ts. Every result equals
 * that of src/kernels/blocks/decodeBlocks.ts bit for bit (NaN payloads aside): products with a power of two are exact, and
 * so is every other product here.
 *
 * A weight becomes float32 by interleaving bytes with zeros, which puts it into the highest byte of a 32-bit lane and so
 * multiplies it by 2^24, and by the conversion from integers; its scale carries 2^-24.
 *
 * V8 makes a vector constant anew wherever it is used, in three instructions or more, and leaves that inside the loop.
 * `held` hides the value, so that it is made once and stays in a register: Q8_0 became twice as fast. Loops are written so
 * that each helper has one or two callers: the compiler then inlines it.
 */

const TWO_TO_MINUS_14: f32 = 6.103515625e-5;
const TWO_TO_MINUS_24: f32 = 5.9604644775390625e-8;
const TWO_TO_MINUS_48: f32 = 3.552713678800501e-15;

/** The same 32 bits in every lane. A memory never has 2^17 pages. */
function held(bits: u32): v128 {
  return i32x4.splat(bits | (memory.size() >>> 17));
}

export function decodeF32(source: usize, target: usize, blocks: usize): void {
  memory.copy(target, source, blocks << 2);
}

export function decodeBF16(source: usize, target: usize, blocks: usize): void {
  const zero = held(0);
  for (let left = blocks >> 3; left > 0; left--) {
    const halves = v128.load(source);
    v128.store(target, lowHalves(zero, halves));
    v128.store(target, highHalves(zero, halves), 16);
    source += 16;
    target += 32;
  }
  for (let left = blocks & 7; left > 0; left--) {
    store<u32>(target, (load<u16>(source) as u32) << 16);
    source += 2;
    target += 4;
  }
}

export function decodeF16(source: usize, target: usize, blocks: usize): void {
  const kept = held(0x8fff8fff);
  const bias = held(0x38003800);
  const noSign = held(0x7fff7fff);
  const least = held(0x04000400);
  const range = held(0x78007800);
  for (let left = blocks >> 5; left > 0; left--) {
    const a = v128.load(source);
    const b = v128.load(source, 16);
    const c = v128.load(source, 32);
    const d = v128.load(source, 48);
    const ab = i16x8.max_u(i16x8.sub(v128.and(a, noSign), least), i16x8.sub(v128.and(b, noSign), least));
    const cd = i16x8.max_u(i16x8.sub(v128.and(c, noSign), least), i16x8.sub(v128.and(d, noSign), least));
    // zeros, subnormal numbers, infinities and NaN lie outside of the range
    if (v128.any_true(i16x8.ge_u(i16x8.max_u(ab, cd), range))) {
      storeAnyHalves(source, target);
    } else {
      storeNormalHalves(target, a, kept, bias);
      storeNormalHalves(target + 32, b, kept, bias);
      storeNormalHalves(target + 64, c, kept, bias);
      storeNormalHalves(target + 96, d, kept, bias);
    }
    source += 64;
    target += 128;
  }
  for (let left = blocks & 31; left > 0; left--) {
    store<f32>(target, fromF16(source));
    source += 2;
    target += 4;
  }
}

export function decodeQ8_0(source: usize, target: usize, blocks: usize): void {
  const zero = held(0);
  for (; blocks > 0; blocks--) {
    const scale = f32x4.splat(fromF16(source) * TWO_TO_MINUS_24);
    storeScaled(target, v128.load(source, 2), zero, scale);
    storeScaled(target + 64, v128.load(source, 18), zero, scale);
    source += 34;
    target += 128;
  }
}

export function decodeQ4_K(source: usize, target: usize, blocks: usize): void {
  const zero = held(0);
  const lowBits = held(0x0f0f0f0f);
  for (; blocks > 0; blocks--) {
    const a = load<u32>(source, 4);
    const b = load<u32>(source, 8);
    const c = load<u32>(source, 12);
    const scale = f32x4.splat(fromF16(source) * TWO_TO_MINUS_24);
    const minimum = f32x4.splat(fromF16(source + 2));
    let scales = f32x4.mul(scale, fourBytes(a & 0x3f3f3f3f));
    let minima = f32x4.mul(minimum, fourBytes(b & 0x3f3f3f3f));
    let laterScales = f32x4.mul(scale, fourBytes((c & 0x0f0f0f0f) | ((a >> 2) & 0x30303030)));
    let laterMinima = f32x4.mul(minimum, fourBytes(((c >> 4) & 0x0f0f0f0f) | ((b >> 2) & 0x30303030)));
    source += 16;
    for (let pair = 0; pair < 4; pair++) {
      const scale0 = i32x4.shuffle(scales, scales, 0, 0, 0, 0);
      const scale1 = i32x4.shuffle(scales, scales, 1, 1, 1, 1);
      const minimum0 = i32x4.shuffle(minima, minima, 0, 0, 0, 0);
      const minimum1 = i32x4.shuffle(minima, minima, 1, 1, 1, 1);
      for (let part = 0; part < 2; part++) {
        const bytes = v128.load(source);
        storeLines(target, v128.and(bytes, lowBits), zero, scale0, minimum0);
        storeLines(target + 128, v128.and(i16x8.shr_u(bytes, 4), lowBits), zero, scale1, minimum1);
        source += 16;
        target += 64;
      }
      target += 128;
      scales = i32x4.shuffle(scales, laterScales, 2, 3, 4, 5);
      minima = i32x4.shuffle(minima, laterMinima, 2, 3, 4, 5);
      laterScales = i32x4.shuffle(laterScales, laterScales, 2, 3, 2, 3);
      laterMinima = i32x4.shuffle(laterMinima, laterMinima, 2, 3, 2, 3);
    }
  }
}

export function decodeQ6_K(source: usize, target: usize, blocks: usize): void {
  const zero = held(0);
  const lowBits = held(0x0f0f0f0f);
  const highBits = held(0x30303030);
  const middle = held(0x20202020);
  for (; blocks > 0; blocks--) {
    const scale = f32x4.splat(fromF16(source + 208) * TWO_TO_MINUS_48);
    let scaleBytes = v128.load(source, 192);
    let high = source + 128;
    for (let half = 0; half < 2; half++) {
      const tops = lowBytes(zero, scaleBytes);
      let scales = f32x4.mul(f32x4.convert_i32x4_s(lowHalves(zero, tops)), scale);
      let laterScales = f32x4.mul(f32x4.convert_i32x4_s(highHalves(zero, tops)), scale);
      scaleBytes = i64x2.shuffle(scaleBytes, scaleBytes, 1, 1);
      for (let part = 0; part < 2; part++) {
        const first = v128.load(source);
        const second = v128.load(source, 32);
        const bits = v128.load(high);
        // shifts span two bytes: what comes over from the other one is masked
        const weights0 = v128.or(v128.and(first, lowBits), v128.and(i16x8.shl(bits, 4), highBits));
        const weights1 = v128.or(v128.and(second, lowBits), v128.and(i16x8.shl(bits, 2), highBits));
        const weights2 = v128.or(v128.and(i16x8.shr_u(first, 4), lowBits), v128.and(bits, highBits));
        const weights3 = v128.or(v128.and(i16x8.shr_u(second, 4), lowBits), v128.and(i16x8.shr_u(bits, 2), highBits));
        storeScaled(target, i8x16.sub(weights0, middle), zero, i32x4.shuffle(scales, scales, 0, 0, 0, 0));
        storeScaled(target + 128, i8x16.sub(weights1, middle), zero, i32x4.shuffle(scales, scales, 2, 2, 2, 2));
        storeScaled(
          target + 256,
          i8x16.sub(weights2, middle),
          zero,
          i32x4.shuffle(laterScales, laterScales, 0, 0, 0, 0),
        );
        storeScaled(
          target + 384,
          i8x16.sub(weights3, middle),
          zero,
          i32x4.shuffle(laterScales, laterScales, 2, 2, 2, 2),
        );
        scales = i32x4.shuffle(scales, scales, 1, 1, 3, 3);
        laterScales = i32x4.shuffle(laterScales, laterScales, 1, 1, 3, 3);
        source += 16;
        high += 16;
        target += 64;
      }
      source += 32;
      target += 384;
    }
    source += 82;
  }
}

/** A binary16 number. Subnormal ones, frequent among scales, never become subnormal float32 on the way: that is slow. */
function fromF16(address: usize): f32 {
  const half = load<u16>(address) as u32;
  const magnitude = (half & 0x7fff) << 13;
  const sign = (half & 0x8000) << 16;
  if (magnitude >= 0x0f800000) return reinterpret<f32>((magnitude + 0x70000000) | sign);
  if (magnitude >= 0x00800000) return reinterpret<f32>((magnitude + 0x38000000) | sign);
  const value = reinterpret<f32>(magnitude + 0x38800000) - TWO_TO_MINUS_14;
  return reinterpret<f32>(reinterpret<u32>(value) | sign);
}

/**
 * Eight normal binary16 numbers: the upper half of a float32 takes the sign, the exponent with the other bias, and seven
 * bits of the fraction; the lower half takes the other three.
 */
function storeNormalHalves(target: usize, halves: v128, kept: v128, bias: v128): void {
  const upper = i16x8.add(v128.and(i16x8.shr_s(halves, 3), kept), bias);
  const lower = i16x8.shl(halves, 13);
  v128.store(target, lowHalves(lower, upper));
  v128.store(target, highHalves(lower, upper), 16);
}

/** Thirty-two binary16 numbers of any kind. */
function storeAnyHalves(source: usize, target: usize): void {
  const zero = held(0);
  const signs = held(0x80000000);
  const kept = held(0x0fffe000);
  const bias = held(0x38000000);
  // the bits of 2^-14, the least normal number
  const leastBits = held(0x38800000);
  const subnormals = held(0x00800000);
  const specials = held(0x0f7fe000);
  for (let part = 0; part < 8; part++) {
    const lanes = lowHalves(zero, v128.load64_zero(source));
    const magnitude = v128.and(i32x4.shr_s(lanes, 3), kept);
    const normal = i32x4.add(magnitude, bias);
    const subnormal = f32x4.sub(i32x4.add(magnitude, leastBits), leastBits);
    const finite = v128.bitselect(subnormal, normal, i32x4.gt_s(subnormals, magnitude));
    const special = v128.and(i32x4.gt_s(magnitude, specials), bias);
    v128.store(target, v128.or(i32x4.add(finite, special), v128.and(lanes, signs)));
    source += 8;
    target += 16;
  }
}

/** Sixteen signed bytes times a scale that carries 2^-24. */
function storeScaled(target: usize, bytes: v128, zero: v128, scale: v128): void {
  const low = lowBytes(zero, bytes);
  const high = highBytes(zero, bytes);
  v128.store(target, f32x4.mul(f32x4.convert_i32x4_s(lowHalves(zero, low)), scale));
  v128.store(target, f32x4.mul(f32x4.convert_i32x4_s(highHalves(zero, low)), scale), 16);
  v128.store(target, f32x4.mul(f32x4.convert_i32x4_s(lowHalves(zero, high)), scale), 32);
  v128.store(target, f32x4.mul(f32x4.convert_i32x4_s(highHalves(zero, high)), scale), 48);
}

/** The four bytes of a number as float32. */
function fourBytes(bytes: u32): v128 {
  return f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(i32x4.splat(bytes))));
}

/** Sixteen unsigned bytes below 128 times a scale that carries 2^-24, less the minimum. */
function storeLines(target: usize, bytes: v128, zero: v128, scale: v128, minimum: v128): void {
  const low = lowBytes(zero, bytes);
  const high = highBytes(zero, bytes);
  v128.store(target, line(lowHalves(zero, low), scale, minimum));
  v128.store(target, line(highHalves(zero, low), scale, minimum), 16);
  v128.store(target, line(lowHalves(zero, high), scale, minimum), 32);
  v128.store(target, line(highHalves(zero, high), scale, minimum), 48);
}

function line(weights: v128, scale: v128, minimum: v128): v128 {
  return f32x4.sub(f32x4.mul(f32x4.convert_i32x4_s(weights), scale), minimum);
}

/** The first eight bytes of both, in turns. */
function lowBytes(even: v128, odd: v128): v128 {
  return i8x16.shuffle(even, odd, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

function highBytes(even: v128, odd: v128): v128 {
  return i8x16.shuffle(even, odd, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}

/** The first four 16-bit parts of both, in turns. */
function lowHalves(even: v128, odd: v128): v128 {
  return i16x8.shuffle(even, odd, 0, 8, 1, 9, 2, 10, 3, 11);
}

function highHalves(even: v128, odd: v128): v128 {
  return i16x8.shuffle(even, odd, 4, 12, 5, 13, 6, 14, 7, 15);
}
