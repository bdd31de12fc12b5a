import fc from 'fast-check';
import type { BlockType } from '../../../src/kernels/blocks/layout.ts';

/** Blocks from their fields, laid out by hand, with the values they stand for. */

const { fround } = Math;

function f16(half: number): number {
  const exponent = (half >> 10) & 31;
  const fraction = half & 1023;
  const magnitude =
    exponent === 0
      ? fraction / 2 ** 24
      : exponent === 31
        ? fraction === 0
          ? Number.POSITIVE_INFINITY
          : Number.NaN
        : (1 + fraction / 1024) * 2 ** (exponent - 15);
  return (half & 0x8000) === 0 ? magnitude : -magnitude;
}

const bytesOf = (half: number): number[] => [half & 255, half >> 8];

interface Block {
  readonly bytes: Uint8Array;
  readonly values: Float32Array;
}

export function q8(d: number, weights: readonly number[]): Block {
  return {
    bytes: Uint8Array.from([...bytesOf(d), ...weights]),
    values: Float32Array.from(weights, (weight) => fround(f16(d) * weight)),
  };
}

export function q4k(
  d: number,
  dmin: number,
  scales: readonly number[],
  minima: readonly number[],
  weights: readonly number[],
): Block {
  const packed = new Uint8Array(12);
  for (let i = 0; i < 4; i++) {
    packed[i] = scales[i]! + (scales[i + 4]! >> 4) * 64;
    packed[4 + i] = minima[i]! + (minima[i + 4]! >> 4) * 64;
    packed[8 + i] = (scales[i + 4]! % 16) + (minima[i + 4]! % 16) * 16;
  }
  const nibbles = new Uint8Array(128);
  for (let i = 0; i < 256; i++) {
    const pair = Math.floor(i / 64);
    nibbles[32 * pair + (i % 32)]! += weights[i]! * (i % 64 < 32 ? 1 : 16);
  }
  const values = Float32Array.from(weights, (weight, i) => {
    const scale = fround(f16(d) * scales[Math.floor(i / 32)]!);
    const minimum = fround(f16(dmin) * minima[Math.floor(i / 32)]!);
    return fround(fround(scale * weight) - minimum);
  });
  return { bytes: Uint8Array.from([...bytesOf(d), ...bytesOf(dmin), ...packed, ...nibbles]), values };
}

export function q6k(d: number, scales: readonly number[], weights: readonly number[]): Block {
  const low = new Uint8Array(128);
  const high = new Uint8Array(64);
  for (let i = 0; i < 256; i++) {
    const half = Math.floor(i / 128);
    const quarter = Math.floor(i / 32) % 4;
    const column = i % 32;
    const stored = weights[i]! + 32;
    low[64 * half + 32 * (quarter % 2) + column]! += (stored % 16) * (quarter < 2 ? 1 : 16);
    high[32 * half + column]! += Math.floor(stored / 16) * 4 ** quarter;
  }
  const values = Float32Array.from(weights, (weight, i) =>
    fround(fround(f16(d) * scales[Math.floor(i / 16)]!) * weight),
  );
  return { bytes: Uint8Array.from([...low, ...high, ...Int8Array.from(scales), ...bytesOf(d)]), values };
}

const half = fc.nat(0xffff);
const many = (min: number, max: number, length: number) =>
  fc.array(fc.integer({ min, max }), { minLength: length, maxLength: length });

/** A block of any content, with its values. */
export const anyBlock: Readonly<Record<BlockType, fc.Arbitrary<Block>>> = {
  F32: fc.nat(0xffff_ffff).map((bits) => {
    const bytes = new Uint8Array(Uint32Array.of(bits).buffer);
    return { bytes, values: new Float32Array(bytes.slice().buffer) };
  }),
  F16: half.map((bits) => ({ bytes: Uint8Array.from(bytesOf(bits)), values: Float32Array.of(f16(bits)) })),
  BF16: half.map((bits) => ({
    bytes: Uint8Array.from(bytesOf(bits)),
    values: new Float32Array(Uint32Array.of(bits << 16).buffer),
  })),
  Q8_0: fc.tuple(half, many(-128, 127, 32)).map((fields) => q8(...fields)),
  Q4_K: fc.tuple(half, half, many(0, 63, 8), many(0, 63, 8), many(0, 15, 256)).map((fields) => q4k(...fields)),
  Q6_K: fc.tuple(half, many(-128, 127, 16), many(-32, 31, 256)).map((fields) => q6k(...fields)),
};

/** The bits of float32 values, with every NaN alike: which payload a NaN carries is nobody's promise. */
export function bits(values: Float32Array): Uint32Array {
  return new Uint32Array(Float32Array.from(values, (value) => (Number.isNaN(value) ? Number.NaN : value)).buffer);
}
