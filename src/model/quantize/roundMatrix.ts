import { INT4_BLOCKS, type QuantizedMatrix, type QuantizedType, scaleCount } from '../quantized/matrix.ts';
import { blockCode, blockLine } from './blockLine.ts';
import { DEFAULT_PERCENTILE, type FloatMatrix, magnitudeAt, type RoundingOptions } from './floatMatrix.ts';
import { symmetricCode, symmetricScale } from './symmetricScale.ts';
import { ternaryScale } from './ternaryScale.ts';

/** Largest code of `int8` and `int8-channel`. */
const INT8_LIMIT = 127;

/**
 * A linear weight in fewer bits, every weight rounded to the nearest code of its group's scale: of the whole matrix
 * (`int8`), of a row (`int8-channel`, `ternary`) or of a block (`int4`, `int4-64`, with a minimum). `roundToNearest` does the same with the plainest scales.
 *
 *     const { codes, scales } = roundMatrix({ outputs: 1, inputs: 3, values }, 'int8-channel', { method: 'mse' });
 */
export function roundMatrix(matrix: FloatMatrix, type: QuantizedType, options: RoundingOptions): QuantizedMatrix {
  if (type === 'int4' || type === 'int4-64') return roundBlocks(matrix, type, options);
  const { outputs, inputs, values } = matrix;
  const limit = type === 'ternary' ? 1 : INT8_LIMIT;
  const codes = new Int8Array(values.length);
  const scales = new Float32Array(scaleCount(type, outputs, inputs));
  const size = values.length / scales.length;
  for (const group of scales.keys()) {
    const weights = values.subarray(group * size, (group + 1) * size);
    const scale = type === 'ternary' ? ternaryScale(weights, options) : symmetricScale(weights, limit, options);
    scales[group] = scale;
    for (let i = 0; i < size; i++) codes[group * size + i] = symmetricCode(weights[i] ?? 0, scale, limit);
  }
  return { type, outputs, inputs, codes, scales };
}

function roundBlocks(
  { outputs, inputs, values }: FloatMatrix,
  type: 'int4' | 'int4-64',
  { method, percentile = DEFAULT_PERCENTILE, importance }: RoundingOptions,
): QuantizedMatrix {
  const size = INT4_BLOCKS[type];
  const codes = new Int8Array(values.length);
  const scales = new Float32Array(scaleCount(type, outputs, inputs));
  const minima = new Float32Array(scales.length);
  for (let output = 0, group = 0; output < outputs; output++) {
    const row = values.subarray(output * inputs, (output + 1) * inputs);
    const clip = method === 'percentile' ? magnitudeAt(row, percentile) : undefined;
    for (let start = 0; start < inputs; start += size, group++) {
      const block = row.subarray(start, start + size);
      const line = blockLine(block, { method, clip, importance: importance?.subarray(start, start + size) });
      scales[group] = line.scale;
      minima[group] = line.minimum;
      for (let i = 0; i < block.length; i++) codes[output * inputs + start + i] = blockCode(block[i] ?? 0, line);
    }
  }
  return { type, outputs, inputs, codes, scales, minima };
}
