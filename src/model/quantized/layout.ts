import type { TensorSpec } from '../../formats/safetensors/write.ts';
import { INT4_BLOCKS, QUANTIZED_TYPES, type QuantizedType } from './matrix.ts';

/** Codes -1, 0 and 1 that a byte of `ternary` holds. */
export const TRITS = 5;

/** Whether a name is that of a {@link QuantizedType}. */
export const isQuantizedType = (name: unknown): name is QuantizedType => QUANTIZED_TYPES.some((type) => type === name);

/** Whether codes have a scale and a minimum for each block of inputs. */
export const isBlocked = (type: QuantizedType): type is keyof typeof INT4_BLOCKS => type in INT4_BLOCKS;

/** Inputs that share a scale within a row. */
export const blockInputs = (type: QuantizedType, inputs: number): number =>
  isBlocked(type) ? INT4_BLOCKS[type] : inputs;

/** Bytes of the codes of one row. */
export function rowBytes(type: QuantizedType, inputs: number): number {
  if (isBlocked(type)) return Math.ceil(inputs / 2);
  return type === 'ternary' ? Math.ceil(inputs / TRITS) : inputs;
}

/** Bytes of one scale, or one minimum, in a file. */
export const scaleBytes = (type: QuantizedType): number => (isBlocked(type) ? 2 : 4);

/**
 * The tensors that hold a linear weight `[out, in]` in a safetensors file: codes under its own name, `<name>.scales`, and
 * `<name>.minima` where the type has them.
 *
 * | type           | codes                                                             | scales, minima        |
 * | -------------- | ----------------------------------------------------------------- | --------------------- |
 * | `int8`         | I8 [out, in]                                                      | F32 [1]               |
 * | `int8-channel` | I8 [out, in]                                                      | F32 [out]             |
 * | `int4`         | U8 [out, ceil(in / 2)], low nibble first                          | F16 [out, blocks], both |
 * | `int4-64`      | U8 [out, ceil(in / 2)], low nibble first                          | F16 [out, blocks], both |
 * | `ternary`      | U8 [out, ceil(in / 5)], codes plus 1 to base 3, lowest digit first | F32 [out]            |
 *
 * Nibbles and digits past the last input of a row are those of the code 0.
 */
export function quantizedTensors(
  type: QuantizedType,
  name: string,
  outputs: number,
  inputs: number,
): readonly TensorSpec[] {
  const codes: TensorSpec = {
    name,
    dtype: type === 'int8' || type === 'int8-channel' ? 'I8' : 'U8',
    shape: [outputs, rowBytes(type, inputs)],
  };
  if (!isBlocked(type)) {
    return [codes, { name: scalesOf(name), dtype: 'F32', shape: [type === 'int8' ? 1 : outputs] }];
  }
  const shape = [outputs, Math.ceil(inputs / INT4_BLOCKS[type])];
  return [codes, { name: scalesOf(name), dtype: 'F16', shape }, { name: minimaOf(name), dtype: 'F16', shape }];
}

/** Name of the tensor that holds the scales of a weight. */
export const scalesOf = (name: string): string => `${name}.scales`;

/** Name of the tensor that holds the minima of a weight. */
export const minimaOf = (name: string): string => `${name}.minima`;
