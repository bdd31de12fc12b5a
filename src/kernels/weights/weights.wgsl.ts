import type { WeightType } from './layout.ts';

/** How a kernel reads weights of one type out of the buffers `weights` and `scales`. */
export interface WeightLoader {
  /** Elements of the buffer `weights`. */
  readonly elements: string;
  /**
   * WGSL, over a `fn groups() -> u32` that says how many groups of four inputs a row has:
   * `fn blockScale(output: u32, block: u32) -> vec2<f32>`, what the 32 weights from input `32 block` on have in common;
   * `fn weights4(output: u32, at: u32, scale: vec2<f32>) -> vec4<f32>`, the four weights from input `4 at` on, given the scale
   * of their block;
   * `fn scaled(output: u32, sum: f32) -> f32`, a sum of products with what the whole row has in common.
   */
  readonly load: string;
  /** WGSL `fn plus(sum: f32, input: f32, weight: f32) -> f32`, a sum with one product more. */
  readonly plus: string;
}

const NO_BLOCKS = 'fn blockScale(output: u32, block: u32) -> vec2<f32> { return vec2(1.0, 0.0); }';
const NO_ROWS = 'fn scaled(output: u32, sum: f32) -> f32 { return sum; }';
const ROW_SCALE = 'fn scaled(output: u32, sum: f32) -> f32 { return sum * bitcast<f32>(scales[output]); }';
const PRODUCT = 'fn plus(sum: f32, input: f32, weight: f32) -> f32 { return fma(input, weight, sum); }';

const BYTES = `
fn bytes(word: u32) -> vec4<u32> { return (vec4(word) >> vec4(0u, 8u, 16u, 24u)) & vec4(255u); }`;

/** Four codes 0..15: the low or the high halves of a word's bytes. */
const NIBBLES = `
fn nibbles(word: u32, high: u32) -> vec4<f32> {
  return vec4<f32>((vec4(word >> (4u * high)) >> vec4(0u, 8u, 16u, 24u)) & vec4(15u));
}`;

const F32 = `
fn weights4(output: u32, at: u32, scale: vec2<f32>) -> vec4<f32> { return weights[output * groups() + at]; }`;

const BF16 = `
fn weights4(output: u32, at: u32, scale: vec2<f32>) -> vec4<f32> {
  let pairs = weights[output * groups() + at];
  return bitcast<vec4<f32>>(vec4(pairs.x << 16u, pairs.x & 0xffff0000u, pairs.y << 16u, pairs.y & 0xffff0000u));
}`;

const F16 = `
fn weights4(output: u32, at: u32, scale: vec2<f32>) -> vec4<f32> {
  let pairs = weights[output * groups() + at];
  return vec4(unpack2x16float(pairs.x), unpack2x16float(pairs.y));
}`;

const INT8 = `
fn weights4(output: u32, at: u32, scale: vec2<f32>) -> vec4<f32> {
  let word = bitcast<i32>(weights[output * groups() + at]);
  return vec4<f32>((vec4(word) << vec4(24u, 16u, 8u, 0u)) >> vec4(24u));
}`;

const INT4 = `
fn blocks() -> u32 { return (groups() + 7u) / 8u; }
fn blockScale(output: u32, block: u32) -> vec2<f32> { return unpack2x16float(scales[output * blocks() + block]); }
fn weights4(output: u32, at: u32, scale: vec2<f32>) -> vec4<f32> {
  return nibbles(weights[output * blocks() * 4u + at / 2u], at % 2u) * scale.x + scale.y;
}`;

/**
 * A byte b holds five digits as the fraction b / 256: times 3, the whole part is the first digit, and the fraction holds the
 * rest. To find a later one, the digits before it are cut off.
 */
const TERNARY = `
fn powerOf3(exponent: u32) -> u32 { return select((0x1b090301u >> (8u * exponent)) & 255u, 81u, exponent == 4u); }
fn weights4(output: u32, at: u32, scale: vec2<f32>) -> vec4<f32> {
  let word = weights[output * ((groups() + 4u) / 5u) + at / 5u];
  let fractions = (bytes(word) * powerOf3(at % 5u)) & vec4(255u);
  return vec4<f32>((fractions * 3u) >> vec4(8u)) - 1.0;
}`;

/** Weights are -1, 0 and 1: a product is the input with its sign turned or not, or no bits of it. */
const ADD_ONLY = `
fn plus(sum: f32, input: f32, weight: f32) -> f32 {
  let used = select(0u, 0xffffffffu, weight != 0.0);
  let sign = bitcast<u32>(weight) & 0x80000000u;
  return sum + bitcast<f32>((bitcast<u32>(input) & used) ^ sign);
}`;

const Q4_K = `
fn blockAt(output: u32, block: u32) -> u32 { return (output * (groups() / 64u) + block / 8u) * 36u; }
fn blockScale(output: u32, block: u32) -> vec2<f32> {
  let first = blockAt(output, block);
  let steps = unpack2x16float(weights[first]);
  let shift = 8u * (block % 4u);
  let low = vec2(weights[first + 1u] >> shift, weights[first + 2u] >> shift);
  var factors = low & vec2(63u);
  if (block % 8u >= 4u) {
    let high = weights[first + 3u] >> shift;
    factors = (vec2(high, high >> 4u) & vec2(15u)) | ((low & vec2(192u)) >> vec2(2u));
  }
  return vec2(1.0, -1.0) * steps * vec2<f32>(factors);
}
fn weights4(output: u32, at: u32, scale: vec2<f32>) -> vec4<f32> {
  let block = at / 8u;
  let word = weights[blockAt(output, block) + 4u + (block % 8u) / 2u * 8u + at % 8u];
  return nibbles(word, block % 2u) * scale.x + scale.y;
}`;

export const weightLoaders: Readonly<Record<WeightType, WeightLoader>> = {
  f32: { elements: 'vec4<f32>', load: [NO_BLOCKS, F32, NO_ROWS].join('\n'), plus: PRODUCT },
  bf16: { elements: 'vec2<u32>', load: [NO_BLOCKS, BF16, NO_ROWS].join('\n'), plus: PRODUCT },
  f16: { elements: 'vec2<u32>', load: [NO_BLOCKS, F16, NO_ROWS].join('\n'), plus: PRODUCT },
  int8: { elements: 'u32', load: [NO_BLOCKS, INT8, ROW_SCALE].join('\n'), plus: PRODUCT },
  int4: { elements: 'u32', load: [NIBBLES, INT4, NO_ROWS].join('\n'), plus: PRODUCT },
  ternary: { elements: 'u32', load: [NO_BLOCKS, BYTES, TERNARY, ROW_SCALE].join('\n'), plus: ADD_ONLY },
  q4_k: { elements: 'u32', load: [NIBBLES, Q4_K, NO_ROWS].join('\n'), plus: PRODUCT },
};
