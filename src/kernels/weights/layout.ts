/**
 * How a matrix of weights f32[outputs, inputs] is held on a GPU: rows of whole 32-bit words, one after the other, and scales
 * beside them, so that matrices of the same inputs are put together by appending words and scales.
 *
 * | type      | a row of words                                    | scales of a row           | weight                  |
 * | --------- | ------------------------------------------------- | ------------------------- | ----------------------- |
 * | `f32`     | numbers                                           | none                      | as it is                |
 * | `bf16`    | numbers, two a word                               | none                      | as it is                |
 * | `f16`     | numbers, two a word                               | none                      | as it is                |
 * | `int8`    | codes -127..127, four a word                      | f32                       | scale * code            |
 * | `int4`    | blocks of 32: codes 0..15, eight a word           | f16 scale, f16 minimum of each block | scale * code + minimum |
 * | `ternary` | codes -1..1, twenty a word                        | f32                       | scale * code            |
 * | `q4_k`    | blocks of 256 as GGUF files have them             | none: they are in the blocks | see `blockLayouts`   |
 *
 * Rows of `f32`, `bf16`, `f16`, `int8` are filled up to a multiple of four weights: where the inputs are one, a row is what a
 * file has. In a word of `int4` the low halves of the four bytes are four weights, the high halves the next four. A byte of
 * `ternary` holds five weights as ceil(256 n / 243), n being their codes plus one as digits to base 3, most significant
 * first; the first digits of a word's four bytes are four weights, the second digits the next four, and so on.
 */
export type WeightType = 'f32' | 'bf16' | 'f16' | 'int8' | 'int4' | 'ternary' | 'q4_k';

/** Words that rows of one type take. */
export interface WeightLayout {
  /** What the inputs must be a multiple of. */
  readonly unit: number;
  /** 32-bit words of a row of weights. */
  words(inputs: number): number;
  /** 32-bit words of the scales of a row. */
  scales(inputs: number): number;
}

/** Weights of one block of `int4`, which share a scale. */
export const INT4_BLOCK = 32;
/** Weights in one word of `ternary`. */
export const TERNARY_WORD = 20;

const none = (): number => 0;
const one = (): number => 1;
const fours = (inputs: number): number => Math.ceil(inputs / 4);

export const weightLayouts: Readonly<Record<WeightType, WeightLayout>> = {
  f32: { unit: 1, words: (inputs) => 4 * fours(inputs), scales: none },
  bf16: { unit: 1, words: (inputs) => 2 * fours(inputs), scales: none },
  f16: { unit: 1, words: (inputs) => 2 * fours(inputs), scales: none },
  int8: { unit: 1, words: fours, scales: one },
  int4: {
    unit: 1,
    words: (inputs) => 4 * Math.ceil(inputs / INT4_BLOCK),
    scales: (inputs) => Math.ceil(inputs / INT4_BLOCK),
  },
  ternary: { unit: 1, words: (inputs) => Math.ceil(inputs / TERNARY_WORD), scales: one },
  q4_k: { unit: 256, words: (inputs) => (36 * inputs) / 256, scales: none },
};

/** Every type, the widest first. */
export const weightTypes = Object.keys(weightLayouts) as readonly WeightType[];

/** A matrix of weights in the layout of its type; memory of no bytes is bound for no scales. */
export interface PackedWeights {
  readonly words: Uint32Array;
  /** Bits of the scales. */
  readonly scales: Uint32Array;
}

/** @throws RangeError where rows of `inputs` cannot be held as `type` */
export function requireInputs(type: WeightType, inputs: number): void {
  const { unit } = weightLayouts[type];
  if (Number.isSafeInteger(inputs) && inputs > 0 && inputs % unit === 0) return;
  throw new RangeError(`Rows of ${inputs} weights cannot be held as ${type}: it takes a multiple of ${unit}.`);
}
