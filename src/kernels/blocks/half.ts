/** 2^(exponent - 25) for the exponent field of a binary16 number. */
const powers = Float64Array.from({ length: 31 }, (_, exponent) => 2 ** (Math.max(1, exponent) - 25));
const floats = new Float32Array(1);
const bits = new Uint32Array(floats.buffer);

/** Adding and taking away rounds a number below 2^51 to a whole one, half to even. */
const ROUNDER = 2 ** 52;

/** The value of an IEEE 754 binary16 number; exact. */
export function fromF16(half: number): number {
  const exponent = (half >> 10) & 31;
  const mantissa = half & 1023;
  const magnitude =
    exponent === 31
      ? mantissa === 0
        ? Number.POSITIVE_INFINITY
        : Number.NaN
      : (exponent === 0 ? mantissa : mantissa + 1024) * (powers[exponent] ?? 0);
  return half & 0x8000 ? -magnitude : magnitude;
}

/** f32[n] of binary16 numbers that lie little-endian at any offset. */
export function halvesFrom(bytes: Uint8Array): Float32Array<ArrayBuffer> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Float32Array.from({ length: bytes.length >> 1 }, (_, i) => fromF16(view.getUint16(2 * i, true)));
}

/** The nearest binary16 number to a float32 value, half to even; from 65520 on infinity. */
export function toF16(value: number): number {
  floats[0] = value;
  const float = bits[0] ?? 0;
  const sign = (float >>> 16) & 0x8000;
  const magnitude = float & 0x7fff_ffff;
  if (magnitude > 0x7f80_0000) return sign | 0x7e00;
  if (magnitude >= 0x477f_f000) return sign | 0x7c00;
  // below 2^-14 the steps are 2^-24 wide
  if (magnitude < 0x3880_0000) return sign | (Math.abs(value) * 2 ** 24 + ROUNDER - ROUNDER);
  const odd = (magnitude >>> 13) & 1;
  return sign | ((magnitude - 0x3800_0000 + 0x0fff + odd) >>> 13);
}

/** The nearest bfloat16 number to a float32 value, half to even. */
export function toBF16(value: number): number {
  floats[0] = value;
  const float = bits[0] ?? 0;
  if ((float & 0x7fff_ffff) > 0x7f80_0000) return (float >>> 16) | 0x40;
  return (float + 0x7fff + ((float >>> 16) & 1)) >>> 16;
}

/**
 * The binary16 scale whose `steps` multiples reach `most` (above 0): the nearest one, or the next above it where the last
 * step would fall short by more than half of one, as happens where binary16 is coarse.
 */
export function scaleF16(most: number, steps: number): number {
  const half = toF16(most / steps);
  return most > fromF16(half) * (steps + 0.5) ? half + 1 : half;
}
