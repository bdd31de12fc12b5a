import { fromF16 } from './half.ts';
import { type BlockType, requireBlocks } from './layout.ts';

/**
 * Decodes whole blocks to float32, in the order of operations that ggml publishes (`dequantize_row_*`): scale times
 * sub-scale, times weight, less minimum, each rounded to float32. Plain and slow: what {@link BlockDecoder} is tested
 * against. `target.length` values are decoded.
 *
 * (With finite scales every product here is exact in float32, so only the subtraction in Q4_K rounds at all.)
 *
 * @throws RangeError where `source` is not exactly the bytes of whole blocks
 */
export function decodeBlocks(type: BlockType, source: Uint8Array, target: Float32Array): void {
  requireBlocks(type, target.length, source.length);
  decoders[type](source, target);
}

const decoders: Readonly<Record<BlockType, (source: Uint8Array, target: Float32Array) => void>> = {
  F32: decodeF32,
  F16: decodeF16,
  BF16: decodeBF16,
  Q8_0: decodeQ8,
  Q4_K: decodeQ4K,
  Q6_K: decodeQ6K,
};

function decodeF32(source: Uint8Array, target: Float32Array): void {
  const bits = new Uint32Array(target.buffer, target.byteOffset, target.length);
  for (let i = 0; i < bits.length; i++) bits[i] = u16(source, 4 * i) | (u16(source, 4 * i + 2) << 16);
}

function decodeF16(source: Uint8Array, target: Float32Array): void {
  for (let i = 0; i < target.length; i++) target[i] = fromF16(u16(source, 2 * i));
}

function decodeBF16(source: Uint8Array, target: Float32Array): void {
  const bits = new Uint32Array(target.buffer, target.byteOffset, target.length);
  for (let i = 0; i < bits.length; i++) bits[i] = u16(source, 2 * i) << 16;
}

function decodeQ8(source: Uint8Array, target: Float32Array): void {
  for (let at = 0, y = 0; y < target.length; at += 34) {
    const scale = fromF16(u16(source, at));
    for (let i = 0; i < 32; i++, y++) target[y] = scale * i8(source, at + 2 + i);
  }
}

function decodeQ4K(source: Uint8Array, target: Float32Array): void {
  for (let at = 0, y = 0; y < target.length; at += 144) {
    const scale = fromF16(u16(source, at));
    const minimum = fromF16(u16(source, at + 2));
    for (let sub = 0; sub < 8; sub++, y += 32) {
      const subScale = Math.fround(scale * scaleOfQ4K(source, at + 4, sub));
      const subMinimum = Math.fround(minimum * minimumOfQ4K(source, at + 4, sub));
      // neighbouring sub-blocks share their bytes: low halves, then high halves
      const weights = at + 16 + 32 * (sub >> 1);
      const shift = 4 * (sub & 1);
      for (let i = 0; i < 32; i++) {
        const weight = (u8(source, weights + i) >> shift) & 15;
        target[y + i] = Math.fround(subScale * weight) - subMinimum;
      }
    }
  }
}

function decodeQ6K(source: Uint8Array, target: Float32Array): void {
  for (let at = 0, y = 0; y < target.length; at += 210) {
    const scale = fromF16(u16(source, at + 208));
    for (let i = 0; i < 256; i++, y++) {
      const subScale = Math.fround(scale * i8(source, at + 192 + (i >> 4)));
      target[y] = subScale * weightOfQ6K(source, at, i);
    }
  }
}

/** The 6-bit scale of a sub-block: the first four lie whole, the others in a low and a high part. */
function scaleOfQ4K(source: Uint8Array, at: number, sub: number): number {
  if (sub < 4) return u8(source, at + sub) & 63;
  return (u8(source, at + sub + 4) & 15) | ((u8(source, at + sub - 4) >> 6) << 4);
}

function minimumOfQ4K(source: Uint8Array, at: number, sub: number): number {
  if (sub < 4) return u8(source, at + sub + 4) & 63;
  return (u8(source, at + sub + 4) >> 4) | ((u8(source, at + sub) >> 6) << 4);
}

/** Weight `i` of a block; each half of 128 has its own 64 bytes of low parts and 32 bytes of high parts. */
function weightOfQ6K(source: Uint8Array, at: number, i: number): number {
  const half = i >> 7;
  const quarter = (i >> 5) & 3;
  const column = i & 31;
  const low = u8(source, at + 64 * half + 32 * (quarter & 1) + column) >> (4 * (quarter >> 1));
  const high = u8(source, at + 128 + 32 * half + column) >> (2 * quarter);
  return ((low & 15) | ((high & 3) << 4)) - 32;
}

function u8(bytes: Uint8Array, at: number): number {
  return bytes[at] ?? 0;
}

function i8(bytes: Uint8Array, at: number): number {
  return (u8(bytes, at) << 24) >> 24;
}

function u16(bytes: Uint8Array, at: number): number {
  return u8(bytes, at) | (u8(bytes, at + 1) << 8);
}
