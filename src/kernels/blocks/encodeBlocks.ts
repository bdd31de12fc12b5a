import { SluiceError } from '../../errors.ts';
import { encodeQ4K } from './encodeQ4K.ts';
import { encodeQ6K } from './encodeQ6K.ts';
import { fromF16, scaleF16, toBF16, toF16 } from './half.ts';
import { type BlockType, blockLayouts, requireBlocks } from './layout.ts';

/** The quantized types keep their scales as binary16, so weights have a limit; no model comes near it. */
const LARGEST = 2 ** 22;

/**
 * Encodes float32 values as blocks of `type` into `target`, which must have exactly the bytes they take
 * ({@link blockBytes}). F16 and BF16 round to nearest, half to even, and keep infinities and NaN; F16 makes infinities of
 * what is too large. The quantized types search scales (and minima) with the least squared error. The same values give
 * the same bytes on every machine.
 *
 *     const bytes = new Uint8Array(blockBytes('Q4_K', values.length));
 *     encodeBlocks('Q4_K', values, bytes);
 *
 * @throws RangeError for values that are no whole blocks, or a target of another size
 * @throws SluiceError `BLOCK_VALUE` for a value that the quantized type cannot hold, with its place
 */
export function encodeBlocks(type: BlockType, source: Float32Array, target: Uint8Array): void {
  requireBlocks(type, source.length, target.length);
  if (blockLayouts[type].values > 1) requireModest(type, source);
  encoders[type](source, target);
}

const encoders: Readonly<Record<BlockType, (source: Float32Array, target: Uint8Array) => void>> = {
  F32: encodeF32,
  F16: (source, target) => encodeHalves(source, target, toF16),
  BF16: (source, target) => encodeHalves(source, target, toBF16),
  Q8_0: encodeQ8,
  Q4_K: encodeQ4K,
  Q6_K: encodeQ6K,
};

function requireModest(type: BlockType, source: Float32Array): void {
  // written so that NaN fails as well
  const bad = source.findIndex((value) => !(Math.abs(value) <= LARGEST));
  if (bad === -1) return;
  throw new SluiceError(`Value ${bad} is ${source[bad]}; ${type} takes numbers up to ${LARGEST}.`, {
    code: 'BLOCK_VALUE',
    hint: 'Use F32, or mend the weights.',
  });
}

function encodeF32(source: Float32Array, target: Uint8Array): void {
  const view = new DataView(target.buffer, target.byteOffset, target.byteLength);
  for (let i = 0; i < source.length; i++) view.setFloat32(4 * i, source[i] ?? 0, true);
}

function encodeHalves(source: Float32Array, target: Uint8Array, half: (value: number) => number): void {
  for (let i = 0; i < source.length; i++) {
    const bits = half(source[i] ?? 0);
    target[2 * i] = bits;
    target[2 * i + 1] = bits >>> 8;
  }
}

/** The largest magnitude of 32 values becomes 127. */
function encodeQ8(source: Float32Array, target: Uint8Array): void {
  for (let from = 0, to = 0; from < source.length; from += 32, to += 34) {
    let most = 0;
    for (let i = from; i < from + 32; i++) most = Math.max(most, Math.abs(source[i] ?? 0));
    const half = scaleF16(most, 127);
    const scale = fromF16(half);
    target[to] = half;
    target[to + 1] = half >>> 8;
    for (let i = 0; i < 32; i++) {
      const weight = scale === 0 ? 0 : Math.round((source[from + i] ?? 0) / scale);
      target[to + 2 + i] = Math.max(-127, Math.min(127, weight));
    }
  }
}
