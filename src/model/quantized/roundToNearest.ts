import { fromF16, scaleF16, toF16 } from '../../kernels/blocks/half.ts';
import { normalScale, roundEven } from '../../kernels/rounding.ts';
import { blockInputs, isBlocked } from './layout.ts';
import { type QuantizedMatrix, type QuantizedType, scaleCount } from './matrix.ts';

const INT8_LEVELS = 127;
const INT4_STEPS = 15;

/**
 * A linear weight f32[out, in] in fewer bits, each weight as the nearest code (half to even) under the plainest scales:
 * `int8` and `int8-channel` make the largest magnitude of the matrix, or of a row, 127; the lines of `int4` reach from the
 * least to the largest weight of a block; the scale of `ternary` is the mean magnitude of a row (BitNet b1.58, arXiv
 * 2402.17764). No calibration: what better methods are measured against. Weights that are not finite give scales that are
 * none, which `writeQuantizedModel` refuses.
 *
 * @throws RangeError where there are not `outputs * inputs` weights
 */
export function roundToNearest(
  type: QuantizedType,
  weights: Float32Array,
  outputs: number,
  inputs: number,
): QuantizedMatrix {
  if (weights.length !== outputs * inputs) {
    throw new RangeError(`${weights.length} weights are no matrix of ${outputs} by ${inputs}.`);
  }
  const codes = new Int8Array(weights.length);
  const scales = new Float32Array(scaleCount(type, outputs, inputs));
  if (isBlocked(type)) {
    const minima = new Float32Array(scales.length);
    const block = blockInputs(type, inputs);
    for (let row = 0, group = 0; row < outputs; row++) {
      for (let first = 0; first < inputs; first += block, group++) {
        const from = row * inputs + first;
        const to = from + Math.min(block, inputs - first);
        const line = roundBlock(weights.subarray(from, to), codes.subarray(from, to));
        scales[group] = line.scale;
        minima[group] = line.minimum;
      }
    }
    return { type, outputs, inputs, codes, scales, minima };
  }
  const share = weights.length / scales.length;
  for (let group = 0; group < scales.length; group++) {
    const part = weights.subarray(group * share, (group + 1) * share);
    const scale = type === 'ternary' ? normalScale(meanMagnitude(part)) : normalScale(largest(part) / INT8_LEVELS);
    scales[group] = scale;
    const most = type === 'ternary' ? 1 : INT8_LEVELS;
    if (scale === 0) continue;
    for (let i = 0; i < share; i++) {
      codes[group * share + i] = Math.max(-most, Math.min(most, roundEven((part[i] ?? 0) / scale)));
    }
  }
  return { type, outputs, inputs, codes, scales };
}

function roundBlock(weights: Float32Array, codes: Int8Array): { readonly scale: number; readonly minimum: number } {
  const minimum = fromF16(toF16(weights.reduce((a, b) => Math.min(a, b))));
  const range = weights.reduce((a, b) => Math.max(a, b)) - minimum;
  const scale = range > 0 || Number.isNaN(range) ? fromF16(scaleF16(range, INT4_STEPS)) : 0;
  if (scale === 0) return { scale, minimum };
  for (let i = 0; i < weights.length; i++) {
    codes[i] = Math.max(0, Math.min(INT4_STEPS, roundEven(((weights[i] ?? 0) - minimum) / scale)));
  }
  return { scale, minimum };
}

const largest = (weights: Float32Array): number =>
  weights.reduce((most, weight) => Math.max(most, Math.abs(weight)), 0);

const meanMagnitude = (weights: Float32Array): number =>
  weights.reduce((sum, weight) => sum + Math.abs(weight), 0) / weights.length;
