/**
 * Decoders of linear weights that model folders keep in fewer bits, in AssemblyScript; `build.mjs` compiles them. What lies
 * where: src/model/quantized/layout.ts. Every result equals that of `dequantizedMatrix` bit for bit: products of 4-bit codes
 * with binary16 scales are exact, others are rounded once, as there.
 *
 * Rows begin on whole bytes of codes. Whole vectors are decoded first, then what is left of the row, or of its block.
 */

/** @param step bytes from the scale of a row to that of the next one: 0 where all share it */
export function decodeInt8(source: usize, target: usize, inputs: u32, rows: u32, scales: usize, step: u32): void {
  for (; rows > 0; rows--) {
    const scale = load<f32>(scales);
    const scales4 = f32x4.splat(scale);
    scales += step;
    let left = inputs;
    for (; left >= 16; left -= 16) {
      const codes = v128.load(source);
      const low = i16x8.extend_low_i8x16_s(codes);
      const high = i16x8.extend_high_i8x16_s(codes);
      v128.store(target, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(low)), scales4));
      v128.store(target, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(low)), scales4), 16);
      v128.store(target, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(high)), scales4), 32);
      v128.store(target, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(high)), scales4), 48);
      source += 16;
      target += 64;
    }
    for (; left > 0; left--) {
      store<f32>(target, (load<i8>(source) as f32) * scale);
      source++;
      target += 4;
    }
  }
}

/** @param block inputs that share a scale and a minimum, both binary16: a multiple of 32 */
export function decodeInt4(
  source: usize,
  target: usize,
  inputs: u32,
  rows: u32,
  scales: usize,
  minima: usize,
  block: u32,
): void {
  const lowBits = i8x16.splat(15);
  for (; rows > 0; rows--) {
    for (let first: u32 = 0; first < inputs; first += block) {
      const scale = fromF16(scales);
      const minimum = fromF16(minima);
      const scales4 = f32x4.splat(scale);
      const minima4 = f32x4.splat(minimum);
      scales += 2;
      minima += 2;
      let left = min(block, inputs - first);
      for (; left >= 32; left -= 32) {
        const bytes = v128.load(source);
        const low = v128.and(bytes, lowBits);
        const high = v128.and(i16x8.shr_u(bytes, 4), lowBits);
        storeLines(
          target,
          i8x16.shuffle(low, high, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23),
          scales4,
          minima4,
        );
        storeLines(
          target + 64,
          i8x16.shuffle(low, high, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31),
          scales4,
          minima4,
        );
        source += 16;
        target += 128;
      }
      for (let i: u32 = 0; i < left; i++) {
        const code = ((load<u8>(source + (i >> 1)) as u32) >> ((i & 1) << 2)) & 15;
        store<f32>(target, (code as f32) * scale + minimum);
        target += 4;
      }
      source += (left + 1) >> 1;
    }
  }
}

/** The largest of some bytes whose bits in `flip` are turned over. */
export function largestByte(source: usize, bytes: usize, flip: u32): u32 {
  const flips = i8x16.splat(flip as i8);
  let largest = i8x16.splat(0);
  let left = bytes;
  for (; left >= 16; left -= 16) {
    largest = i8x16.max_u(largest, v128.xor(v128.load(source), flips));
    source += 16;
  }
  let most: u32 = 0;
  for (; left > 0; left--) {
    most = max(most, (load<u8>(source) as u32) ^ flip);
    source++;
  }
  largest = i8x16.max_u(largest, i8x16.shuffle(largest, largest, 8, 9, 10, 11, 12, 13, 14, 15, 0, 0, 0, 0, 0, 0, 0, 0));
  largest = i8x16.max_u(largest, i8x16.shuffle(largest, largest, 4, 5, 6, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0));
  for (let bits = i32x4.extract_lane(largest, 0) as u32; bits > 0; bits >>= 8) most = max(most, bits & 255);
  return most;
}

/**
 * A byte b holds floor(b / 3^i) mod 3 for i from 0 to 4. Up to 242, floor(b / 3^i) is b times 2^16 / 3^i, rounded up, shifted
 * by 16 bits.
 */
export function decodeTernary(source: usize, target: usize, inputs: u32, rows: u32, scales: usize): void {
  // of 3, 9, 27 and 81, each beside a zero: pairs of products are added
  const powers = i32x4(21846, 7282, 2428, 810);
  const one = i32x4.splat(1);
  for (; rows > 0; rows--) {
    const scale = load<f32>(scales);
    const scales4 = f32x4.splat(scale);
    scales += 4;
    let left = inputs;
    for (; left >= 5; left -= 5) {
      const byte = i32x4.splat(load<u8>(source) as i32);
      const next = i32x4.shr_u(i32x4.dot_i16x8_s(byte, powers), 16);
      const quotients = i32x4.shuffle(byte, next, 0, 4, 5, 6);
      const digits = i32x4.sub(i32x4.sub(quotients, one), i32x4.add(i32x4.shl(next, 1), next));
      v128.store(target, f32x4.mul(f32x4.convert_i32x4_s(digits), scales4));
      store<f32>(target, ((i32x4.extract_lane(next, 3) - 1) as f32) * scale, 16);
      source++;
      target += 20;
    }
    if (left > 0) {
      let rest = load<u8>(source) as i32;
      source++;
      for (; left > 0; left--) {
        store<f32>(target, (((rest % 3) - 1) as f32) * scale);
        rest /= 3;
        target += 4;
      }
    }
  }
}

/** Sixteen codes below 128 times the scale, plus the minimum. */
function storeLines(target: usize, codes: v128, scale: v128, minimum: v128): void {
  const low = i16x8.extend_low_i8x16_u(codes);
  const high = i16x8.extend_high_i8x16_u(codes);
  v128.store(target, line(i32x4.extend_low_i16x8_u(low), scale, minimum));
  v128.store(target, line(i32x4.extend_high_i16x8_u(low), scale, minimum), 16);
  v128.store(target, line(i32x4.extend_low_i16x8_u(high), scale, minimum), 32);
  v128.store(target, line(i32x4.extend_high_i16x8_u(high), scale, minimum), 48);
}

function line(codes: v128, scale: v128, minimum: v128): v128 {
  return f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(codes), scale), minimum);
}

/** A finite binary16 number; a subnormal one is a whole multiple of 2^-24. */
function fromF16(address: usize): f32 {
  const half = load<u16>(address) as u32;
  const magnitude = (half & 0x7fff) << 13;
  const sign = (half & 0x8000) << 16;
  if (magnitude >= 0x00800000) return reinterpret<f32>((magnitude + 0x38000000) | sign);
  const value = ((half & 0x7fff) as f32) * 5.9604644775390625e-8;
  return reinterpret<f32>(reinterpret<u32>(value) | sign);
}
