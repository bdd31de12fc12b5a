/**
 * Forms in which linear weights of a model folder can be kept, besides floats. `W[o, i]` is what a code stands for; every
 * product and sum is rounded to float32.
 *
 * | type           | codes                | scales, minima                       | `W[o, i]`                                        |
 * | -------------- | -------------------- | ------------------------------------ | ------------------------------------------------ |
 * | `int8`         | -127..127            | f32[1]                               | `codes[o, i] * scales[0]`                        |
 * | `int8-channel` | -127..127            | f32[out]                             | `codes[o, i] * scales[o]`                        |
 * | `int4`         | 0..15, blocks of 32  | f16[out, ceil(in / 32)], and minima  | `codes[o, i] * scales[o, b] + minima[o, b]`      |
 * | `int4-64`      | 0..15, blocks of 64  | f16[out, ceil(in / 64)], and minima  | `codes[o, i] * scales[o, b] + minima[o, b]`      |
 * | `ternary`      | -1..1                | f32[out]                             | `codes[o, i] * scales[o]`                        |
 */
export const QUANTIZED_TYPES = ['int8', 'int8-channel', 'int4', 'int4-64', 'ternary'] as const;

export type QuantizedType = (typeof QUANTIZED_TYPES)[number];

/** Inputs that share a scale and a minimum. */
export const INT4_BLOCKS = { int4: 32, 'int4-64': 64 } as const;

/** A linear weight `[out, in]` in fewer bits. */
export interface QuantizedMatrix {
  readonly type: QuantizedType;
  readonly outputs: number;
  readonly inputs: number;
  /** i8[out, in], one code a byte: files pack them. */
  readonly codes: Int8Array;
  /** As the table has them; those of `int4` are binary16 numbers. */
  readonly scales: Float32Array;
  /** Of `int4` and `int4-64` alone; binary16 numbers. */
  readonly minima?: Float32Array | undefined;
}

/** Rows or columns that share a scale: how many scales, or minima, a matrix has. */
export function scaleCount(type: QuantizedType, outputs: number, inputs: number): number {
  if (type === 'int8') return 1;
  if (type === 'int4' || type === 'int4-64') return outputs * Math.ceil(inputs / INT4_BLOCKS[type]);
  return outputs;
}

/** f32[out, in]: what the codes stand for, in plain loops. What every other decoder is tested against. */
export function dequantizedMatrix(matrix: QuantizedMatrix): Float32Array<ArrayBuffer> {
  const { type, outputs, inputs, codes, scales, minima } = matrix;
  const values = new Float32Array(outputs * inputs);
  const block = type === 'int4' || type === 'int4-64' ? INT4_BLOCKS[type] : inputs;
  const blocks = Math.ceil(inputs / block);
  for (let output = 0; output < outputs; output++) {
    for (let input = 0; input < inputs; input++) {
      const at = output * inputs + input;
      const group = type === 'int8' ? 0 : output * blocks + Math.floor(input / block);
      const product = Math.fround((codes[at] ?? 0) * (scales[group] ?? 0));
      values[at] = minima === undefined ? product : product + (minima[group] ?? 0);
    }
  }
  return values;
}
