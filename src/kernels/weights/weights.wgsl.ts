import type { WeightType } from './layout.ts';

/** How a kernel reads weights of one type out of the buffers `weights` and `scales`. */
export interface WeightLoader {
  /** Elements of the buffer `weights`. */
  readonly elements: string;
  /**
   * WGSL, over a `fn groups() -> u32` that says how many groups of four inputs a row has:
   * `fn blockOf(output: u32, block: u32) -> Block`, what is to be known of the 32 weights from input `32 block` on;
   * `fn weights4(block: Block, at: u32) -> vec4<f32>`, the four weights from the block's input `4 at` on;
   * `fn scaled(output: u32, sum: f32) -> f32`, a sum of products with what the whole row has in common.
   */
  readonly load: string;
  /** WGSL `fn plus(sum: f32, input: f32, weight: f32) -> f32`, a sum with one product more. */
  readonly plus: string;
}

/** Elements of the buffer lie in groups of four weights. */
const GROUPS = `
struct Block { first: u32 }
fn blockOf(output: u32, block: u32) -> Block { return Block(output * groups() + (block << 3u)); }`;

const NO_SCALE = 'fn scaled(output: u32, sum: f32) -> f32 { return sum; }';
const ROW_SCALE = 'fn scaled(output: u32, sum: f32) -> f32 { return sum * bitcast<f32>(scales[output]); }';
const PRODUCT = 'fn plus(sum: f32, input: f32, weight: f32) -> f32 { return fma(input, weight, sum); }';

/** Four codes 0..15: the low halves of a word's bytes, or the high halves with a shift of 4. */
const NIBBLES = `
fn nibbles(word: u32, shift: u32) -> vec4<f32> {
  return vec4<f32>((vec4(word >> shift) >> vec4(0u, 8u, 16u, 24u)) & vec4(15u));
}`;

const F32 = 'fn weights4(block: Block, at: u32) -> vec4<f32> { return weights[block.first + at]; }';

const BF16 = `
fn weights4(block: Block, at: u32) -> vec4<f32> {
  let pairs = weights[block.first + at];
  return bitcast<vec4<f32>>(vec4(pairs.x << 16u, pairs.x & 0xffff0000u, pairs.y << 16u, pairs.y & 0xffff0000u));
}`;

const F16 = `
fn weights4(block: Block, at: u32) -> vec4<f32> {
  let pairs = weights[block.first + at];
  return vec4(unpack2x16float(pairs.x), unpack2x16float(pairs.y));
}`;

const INT8 = `
fn weights4(block: Block, at: u32) -> vec4<f32> {
  let word = bitcast<i32>(weights[block.first + at]);
  return vec4<f32>((vec4(word) << vec4(24u, 16u, 8u, 0u)) >> vec4(24u));
}`;

const INT4 = `
struct Block { first: u32, line: vec2<f32> }
fn blockOf(output: u32, block: u32) -> Block {
  let i = output * ((groups() + 7u) >> 3u) + block;
  return Block(i << 2u, unpack2x16float(scales[i]));
}
fn weights4(block: Block, at: u32) -> vec4<f32> {
  let word = weights[block.first + (at >> 1u)];
  return nibbles(word, (at & 1u) << 2u) * block.line.x + block.line.y;
}`;

/**
 * A byte b holds five digits as the fraction b / 256: times 3, the whole part is the first digit, and the fraction holds the
 * rest. To find a later one, the digits before it are cut off, in two bytes of a word at a time: there is room between them.
 * A block may begin at any digit of a word.
 */
const TERNARY = `
const EVEN_BYTES = 0x00ff00ffu;
struct Block { first: u32, digit: u32 }
fn blockOf(output: u32, block: u32) -> Block {
  let at = block << 3u;
  let word = at / 5u;
  return Block(output * ((groups() + 4u) / 5u) + word, at - 5u * word);
}
fn powerOf3(exponent: u32) -> u32 { return select((0x1b090301u >> (exponent << 3u)) & 255u, 81u, exponent == 4u); }
fn weights4(block: Block, at: u32) -> vec4<f32> {
  let digit = block.digit + at;
  // a fifth of a number up to 11
  let word = (13u * digit) >> 6u;
  let bytes = weights[block.first + word];
  let pairs = (vec2(bytes, bytes >> 8u) & vec2(EVEN_BYTES)) * powerOf3(digit - 5u * word);
  let digits = ((pairs & vec2(EVEN_BYTES)) * 3u) >> vec2(8u);
  return vec4<f32>(vec4(digits & vec2(3u), digits >> vec2(16u))) - 1.0;
}`;

/** Weights are -1, 0 and 1: a product is the input with its sign turned or not, or no bits of it. */
const ADD_ONLY = `
fn plus(sum: f32, input: f32, weight: f32) -> f32 {
  let used = select(0u, 0xffffffffu, weight != 0.0);
  let sign = bitcast<u32>(weight) & 0x80000000u;
  return sum + bitcast<f32>((bitcast<u32>(input) & used) ^ sign);
}`;

const Q4_K = `
struct Block { first: u32, shift: u32, line: vec2<f32> }
fn blockOf(output: u32, block: u32) -> Block {
  let first = (output * (groups() >> 6u) + (block >> 3u)) * 36u;
  let steps = unpack2x16float(weights[first]);
  let i = block & 7u;
  let shift = (i & 3u) << 3u;
  let low = vec2(weights[first + 1u] >> shift, weights[first + 2u] >> shift);
  let high = weights[first + 3u] >> shift;
  let late = (vec2(high, high >> 4u) & vec2(15u)) | ((low & vec2(192u)) >> vec2(2u));
  let factors = select(low & vec2(63u), late, i >= 4u);
  return Block(first + 4u + ((i >> 1u) << 3u), (i & 1u) << 2u, vec2(1.0, -1.0) * steps * vec2<f32>(factors));
}
fn weights4(block: Block, at: u32) -> vec4<f32> {
  return nibbles(weights[block.first + at], block.shift) * block.line.x + block.line.y;
}`;

export const weightLoaders: Readonly<Record<WeightType, WeightLoader>> = {
  f32: { elements: 'vec4<f32>', load: [GROUPS, F32, NO_SCALE].join('\n'), plus: PRODUCT },
  bf16: { elements: 'vec2<u32>', load: [GROUPS, BF16, NO_SCALE].join('\n'), plus: PRODUCT },
  f16: { elements: 'vec2<u32>', load: [GROUPS, F16, NO_SCALE].join('\n'), plus: PRODUCT },
  int8: { elements: 'u32', load: [GROUPS, INT8, ROW_SCALE].join('\n'), plus: PRODUCT },
  int4: { elements: 'u32', load: [NIBBLES, INT4, NO_SCALE].join('\n'), plus: PRODUCT },
  ternary: { elements: 'u32', load: [TERNARY, ROW_SCALE].join('\n'), plus: ADD_ONLY },
  q4_k: { elements: 'u32', load: [NIBBLES, Q4_K, NO_SCALE].join('\n'), plus: PRODUCT },
};
