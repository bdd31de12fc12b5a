import { SluiceError } from '../../errors.ts';
import { encodeBlocks } from '../blocks/encodeBlocks.ts';
import { toBF16, toF16 } from '../blocks/half.ts';
import { normalScale, roundEven } from '../rounding.ts';
import { packInt4 } from './int4.ts';
import { type PackedWeights, requireInputs, TERNARY_WORD, type WeightType, weightLayouts } from './layout.ts';

const INT8_LEVELS = 127;
const LARGEST_F16 = 65504;

/**
 * Puts f32[outputs, inputs] into the layout of `type`. The same weights give the same words on every machine.
 *
 * `f32` is exact; `bf16` and `f16` round to nearest, half to even. `int8` gives each row the scale that makes its largest
 * magnitude 127: no weight is off by more than half the scale. `int4` searches scale and minimum of each block for the least
 * squared error. `ternary` takes the mean magnitude of a row as its scale, as BitNet b1.58 does (arXiv 2402.17764).
 * `q4_k` is {@link encodeBlocks}. For normal weights the root of the mean squared error, relative to that of the weights, is
 * 0.0017 (`bf16`), 0.0002 (`f16`), 0.008 (`int8`, rows of 768), 0.072 (`int4`), 0.51 (`ternary`) and 0.070 (`q4_k`).
 *
 *     const { words, scales } = weightsOf('int8', rows, 768);
 *
 * @throws RangeError for values that are no whole rows, or inputs that the type cannot have
 * @throws SluiceError `BLOCK_VALUE` for a value that the type cannot hold, with its place
 */
export function weightsOf(type: WeightType, values: Float32Array, inputs: number): PackedWeights {
  requireInputs(type, inputs);
  if (values.length % inputs !== 0) {
    throw new RangeError(`${values.length} weights are not whole rows of ${inputs}.`);
  }
  requireHeld(type, values);
  const rows = values.length / inputs;
  const { words, scales } = weightLayouts[type];
  const packed = { words: new Uint32Array(rows * words(inputs)), scales: new Uint32Array(rows * scales(inputs)) };
  for (let row = 0; row < rows; row++) {
    packers[type](
      values.subarray(row * inputs, (row + 1) * inputs),
      packed.words.subarray(row * words(inputs), (row + 1) * words(inputs)),
      packed.scales.subarray(row * scales(inputs), (row + 1) * scales(inputs)),
    );
  }
  return packed;
}

type PackRow = (row: Float32Array, words: Uint32Array, scales: Uint32Array) => void;

const packers: Readonly<Record<WeightType, PackRow>> = {
  f32: (row, words) => words.set(new Uint32Array(row.slice().buffer)),
  bf16: (row, words) => packHalves(row, words, toBF16),
  f16: (row, words) => packHalves(row, words, toF16),
  int8: packInt8,
  int4: packInt4,
  ternary: packTernary,
  q4_k: (row, words) => encodeBlocks('Q4_K', row, new Uint8Array(words.buffer, words.byteOffset, words.byteLength)),
};

/** `f32` and `bf16` hold what is no number; the others would make one of it. */
function requireHeld(type: WeightType, values: Float32Array): void {
  if (type === 'f32' || type === 'bf16' || type === 'q4_k') return;
  const most = type === 'f16' || type === 'int4' ? LARGEST_F16 : Number.MAX_VALUE;
  // written so that NaN fails as well
  const bad = values.findIndex((value) => !(Math.abs(value) <= most));
  if (bad === -1) return;
  throw new SluiceError(`Weight ${bad} is ${values[bad]}, which ${type} cannot hold.`, {
    code: 'BLOCK_VALUE',
    hint: 'Use f32 or bf16, or mend the weights.',
  });
}

function packHalves(row: Float32Array, words: Uint32Array, half: (value: number) => number): void {
  for (let i = 0; i < row.length; i++) words[i >> 1] = (words[i >> 1] ?? 0) | (half(row[i] ?? 0) << (16 * (i & 1)));
}

function packInt8(row: Float32Array, words: Uint32Array, scales: Uint32Array): void {
  const largest = row.reduce((most, weight) => Math.max(most, Math.abs(weight)), 0);
  const scale = putScale(scales, largest / INT8_LEVELS);
  if (scale === 0) return;
  for (let i = 0; i < row.length; i++) {
    const code = roundEven((row[i] ?? 0) / scale) & 255;
    words[i >> 2] = (words[i >> 2] ?? 0) | (code << (8 * (i & 3)));
  }
}

function packTernary(row: Float32Array, words: Uint32Array, scales: Uint32Array): void {
  const sum = row.reduce((total, weight) => total + Math.abs(weight), 0);
  const scale = putScale(scales, sum / row.length);
  const digits = new Uint8Array(TERNARY_WORD);
  for (let word = 0; word < words.length; word++) {
    for (let i = 0; i < TERNARY_WORD; i++) {
      const weight = row[word * TERNARY_WORD + i] ?? 0;
      const code = scale === 0 ? 0 : Math.max(-1, Math.min(1, roundEven(weight / scale)));
      digits[i] = code + 1;
    }
    words[word] = ternaryWord(digits);
  }
}

/** Digit `i` is the `floor(i / 4)`-th of byte `i % 4`. */
function ternaryWord(digits: Uint8Array): number {
  let word = 0;
  for (let byte = 0; byte < 4; byte++) {
    let number = 0;
    for (let i = byte; i < TERNARY_WORD; i += 4) number = 3 * number + (digits[i] ?? 0);
    word |= Math.ceil((256 * number) / 243) << (8 * byte);
  }
  return word;
}

/** Writes a scale of its own to a row; returns what it is as float32. */
function putScale(scales: Uint32Array, exact: number): number {
  const scale = normalScale(exact);
  scales.set(new Uint32Array(Float32Array.of(scale).buffer));
  return scale;
}
