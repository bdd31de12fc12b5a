import { normalScale, roundEven } from '../rounding.ts';
import { levelsOf } from './levels.ts';

const { fround } = Math;

export interface Quantised {
  readonly codes: Int32Array;
  readonly values: Float32Array;
}

/** What `quantise_vector` gives, bit for bit, in plain loops. Throws RangeError for bits that there are not. */
export function quantisedVector(input: Float32Array, bits: number): Quantised {
  const levels = levelsOf(bits);
  const codes = new Int32Array(input.length);
  const values = new Float32Array(input.length);
  for (let i = 0; i < input.length; i++) {
    codes[i] = roundEven(fround(clipped(input[i] ?? 0) * levels));
    values[i] = levels === 0 ? 0 : (codes[i] ?? 0) / levels;
  }
  return { codes, values };
}

/** What `quantise_blocks` gives for blocks of `columns` values, bit for bit. Throws RangeError for bits that there are not. */
export function quantisedBlocks(
  input: Float32Array,
  columns: number,
  bits: number,
): Quantised & { readonly scales: Float32Array } {
  const codes = new Int32Array(input.length);
  const values = new Float32Array(input.length);
  const scales = new Float32Array(input.length / columns);
  for (let row = 0, from = 0; row < scales.length; row++, from += columns) {
    const block = input.subarray(from, from + columns);
    const largest = block.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const scale = normalScale(largest);
    scales[row] = scale;
    const near1 = block.map((value) => normalised(value, scale));
    const quantised = quantisedVector(near1, bits);
    codes.set(quantised.codes, from);
    values.set(
      quantised.values.map((value) => value * scale),
      from,
    );
  }
  return { codes, values, scales };
}

/** Both the value and the scale as multiples of the scale's power of two, which is exact. */
function normalised(value: number, scale: number): number {
  if (scale === 0) return 0;
  const power = 2 ** Math.floor(Math.log2(scale));
  return (value / power) * fround(1 / (scale / power));
}

const clipped = (value: number): number => Math.max(-1, Math.min(1, value));
