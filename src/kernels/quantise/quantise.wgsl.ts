import { levelsOf } from './levels.ts';

/** Bits that a factor keeps, so that its product with a code is exact: 9 and 15 make 24. */
const KEPT = 0xffff_8000;

/** `1 / levels` as a sum: what is left of a number after its first 9 bits is the second part. */
const inverses = Array.from({ length: 16 }, (_, i) => {
  const levels = levelsOf(i + 1);
  if (levels === 0) return [0, 0];
  const bits = new Uint32Array(Float32Array.of(1 / levels).buffer);
  bits[0] = (bits[0] ?? 0) & KEPT;
  const [high = 0] = new Float32Array(bits.buffer);
  return [high, Math.fround(1 / levels - high)];
});

/**
 * Codes of values within -1..1, and back. `code / levels` is the sum of two products with the parts of `1 / levels`: the first
 * is exact, so that it does not matter whether a device rounds it before it adds, and their sum is the float32 next to the
 * quotient for every code of every number of bits. Devices divide as they like, within 2.5 units of the last place; a compiler
 * that adds the two factors of a code first, fma or not, is off by one.
 */
export const QUANTISE = `
const INVERSES = array<vec2<f32>, 16>(${inverses.map((parts) => `vec2(${parts.map((part) => `${part}f`).join(', ')})`).join(', ')});
fn levels() -> f32 { return f32((1u << (sizes.bits - 1u)) - 1u); }
fn codesOf(values: Value) -> Value { return round(clamp(values, Value(-1.0), Value(1.0)) * levels()); }
fn valuesOf(codes: Value) -> Value {
  let inverse = INVERSES[sizes.bits - 1u];
  return fma(codes, Value(inverse.x), codes * inverse.y);
}`;

export const QUANTISE_VECTOR = `
fn element(at: u32) {
  if (at >= sizes.count / WIDTH) { return; }
  let found = codesOf(input[at]);
  codes[at] = Codes(found);
  values[at] = valuesOf(found);
}`;

/**
 * A block's largest magnitude is m * 2^e, 1 <= m < 2. A value becomes its product with the powers of two that make 2^-e, which
 * is exact, and with the float32 next to 1 / m: the device's quotient, set right with the remainder in whole numbers, where m
 * is \`mantissa\` * 2^-23 and the quotient \`inverse\` * 2^-24, and 2^47 - inverse * mantissa fits 32 bits.
 */
export const QUANTISE_BLOCKS = `
fn start() -> Sums { return Sums(0.0); }
fn fold(sums: Sums, value: f32) -> Sums { return Sums(max(sums.largest, abs(value))); }
fn merge(a: Sums, b: Sums) -> Sums { return Sums(max(a.largest, b.largest)); }

fn powerOf2(exponent: i32) -> f32 { return bitcast<f32>(u32(exponent + 127) << 23u); }

fn inverseOf(mantissa: u32) -> f32 {
  var inverse = u32(16777216.0 / (f32(mantissa) * 0x1p-23));
  var rest = bitcast<i32>(0u - inverse * mantissa);
  let half = i32(mantissa / 2u);
  while (rest > half) { inverse += 1u; rest -= i32(mantissa); }
  while (rest < -half) { inverse -= 1u; rest += i32(mantissa); }
  return f32(inverse) * 0x1p-24;
}

fn finish(row: u32, sums: Sums, lane: u32, lanes: u32) {
  let bits = bitcast<u32>(sums.largest);
  // nothing but zeros and subnormal numbers, which devices may take for zeros
  let isZero = bits < 0x00800000u;
  let largest = select(sums.largest, 0.0, isZero);
  let exponent = 127 - i32(bits >> 23u);
  let inverse = select(inverseOf((bits & 0x007fffffu) | 0x00800000u), 0.0, isZero);
  if (lane == 0u) { scales[row] = largest; }
  let first = row * width();
  for (var i = lane; i < width(); i += lanes) {
    let near1 = input[first + i] * powerOf2(exponent / 2) * powerOf2(exponent - exponent / 2);
    let found = codesOf(near1 * inverse);
    codes[first + i] = Codes(found);
    values[first + i] = valuesOf(found) * largest;
  }
}`;

export const QUANTISE_BLOCKS_FOLD4 = `
fn fold4(sums: Sums, values: vec4<f32>) -> Sums {
  let magnitudes = abs(values);
  return Sums(max(sums.largest, max(max(magnitudes.x, magnitudes.y), max(magnitudes.z, magnitudes.w))));
}`;
