import { decodeBlocks } from '../blocks/decodeBlocks.ts';
import { fromF16 } from '../blocks/half.ts';
import { INT4_BLOCK, type PackedWeights, TERNARY_WORD, type WeightType, weightLayouts } from './layout.ts';

/** What packed weights stand for, f64[outputs, inputs], in plain loops: what kernels are tested against. */
export function unpackedWeights(type: WeightType, { words, scales }: PackedWeights, inputs: number): Float64Array {
  const { words: rowWords, scales: rowScales } = weightLayouts[type];
  const outputs = words.length / rowWords(inputs);
  const values = new Float64Array(outputs * inputs);
  for (let output = 0; output < outputs; output++) {
    const row = words.slice(output * rowWords(inputs), (output + 1) * rowWords(inputs));
    const weight = weightAt[type](row, scales.slice(output * rowScales(inputs), (output + 1) * rowScales(inputs)));
    for (let i = 0; i < inputs; i++) values[output * inputs + i] = weight(i);
  }
  return values;
}

type WeightsOfRow = (words: Uint32Array, scales: Uint32Array) => (i: number) => number;

const weightAt: Readonly<Record<WeightType, WeightsOfRow>> = {
  f32: floats,
  bf16: (words) => floats(Uint32Array.from(new Uint16Array(words.buffer), (half) => half << 16)),
  f16: (words) => {
    const halves = new Uint16Array(words.buffer);
    return (i) => fromF16(halves[i] ?? 0);
  },
  int8: (words, scales) => {
    const codes = new Int8Array(words.buffer);
    const scale = floats(scales)(0);
    return (i) => (codes[i] ?? 0) * scale;
  },
  int4: (words, scales) => (i) => {
    const halves = scales[Math.floor(i / INT4_BLOCK)] ?? 0;
    const code = ((words[i >> 3] ?? 0) >>> (8 * (i & 3) + (i & 4))) & 15;
    return Math.fround(code * fromF16(halves & 0xffff) + fromF16(halves >>> 16));
  },
  ternary: (words, scales) => {
    const scale = floats(scales)(0);
    return (i) => trit(words, i) * scale;
  },
  q4_k: (words) => {
    const values = new Float32Array((words.length / 36) * 256);
    decodeBlocks('Q4_K', new Uint8Array(words.buffer), values);
    return (i) => values[i] ?? 0;
  },
};

function floats(bits: Uint32Array): (i: number) => number {
  const values = new Float32Array(bits.buffer);
  return (i) => values[i] ?? 0;
}

function trit(words: Uint32Array, i: number): number {
  const inWord = i % TERNARY_WORD;
  const byte = ((words[Math.floor(i / TERNARY_WORD)] ?? 0) >>> (8 * (inWord % 4))) & 255;
  const number = Math.floor((byte * 243) / 256);
  return (Math.floor(number / 3 ** (4 - Math.floor(inWord / 4))) % 3) - 1;
}
