import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeBlocks } from '../../../src/kernels/blocks/decodeBlocks.ts';
import { encodeBlocks } from '../../../src/kernels/blocks/encodeBlocks.ts';
import { type BlockType, blockBytes, blockLayouts, blockTypes } from '../../../src/kernels/blocks/layout.ts';
import { anyBlock, bits } from './fields.ts';

function encoded(type: BlockType, values: Float32Array): Uint8Array {
  const bytes = new Uint8Array(blockBytes(type, values.length));
  encodeBlocks(type, values, bytes);
  return bytes;
}

function roundTrip(type: BlockType, values: Float32Array): Float32Array {
  const decoded = new Float32Array(values.length);
  decodeBlocks(type, encoded(type, values), decoded);
  return decoded;
}

const rms = (values: Float32Array): number =>
  Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);

const relativeError = (type: BlockType, values: Float32Array): number => {
  const decoded = roundTrip(type, values);
  return rms(values.map((value, i) => value - decoded[i]!)) / rms(values);
};

/** Seeded values with the bell shape of trained weights. */
function normal(length: number, scale: number): Float32Array {
  let seed = 1;
  const uniform = (): number => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return (seed + 0.5) / 2 ** 32;
  };
  return Float32Array.from(
    { length },
    () => scale * Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()),
  );
}

describe('encoded blocks', () => {
  // Rounding errors to expect: 2^-11 and 2^-8 over the square root of 12 at worst, 1/127 of the largest of 32 ...
  it.each<[BlockType, number]>([
    ['F32', 0],
    ['F16', 2.2e-4],
    ['BF16', 1.8e-3],
    ['Q8_0', 5.6e-3],
    ['Q6_K', 1.72e-2],
    ['Q4_K', 7.2e-2],
  ])('of weights with a bell shape lose little: %s', (type, most) => {
    for (const scale of [30, 0.02, 0.001]) expect(relativeError(type, normal(8192, scale))).toBeLessThanOrEqual(most);
  });

  it('are better than the plain way of spreading the range evenly', () => {
    const values = normal(8192, 0.02);
    const even = values.slice();
    for (let from = 0; from < values.length; from += 32) {
      const part = values.subarray(from, from + 32);
      const low = Math.min(...part);
      const step = (Math.max(...part) - low) / 15;
      for (let i = 0; i < 32; i++) even[from + i] = low + step * Math.round((part[i]! - low) / step);
    }
    const plain = rms(values.map((value, i) => value - even[i]!)) / rms(values);
    expect(relativeError('Q4_K', values)).toBeLessThan(0.92 * plain);
  });

  it('hold even weights so small that binary16 scales are coarse', () => {
    expect(relativeError('Q8_0', normal(4096, 1e-5))).toBeLessThan(0.01);
    expect(relativeError('Q6_K', normal(4096, 1e-5))).toBeLessThan(0.03);
    expect(relativeError('Q4_K', normal(4096, 1e-5))).toBeLessThan(0.08);
  });

  it.each(['Q8_0', 'Q4_K', 'Q6_K'] as const)('of values on a grid of steps lie on that grid again: %s', (type) => {
    const values = Float32Array.from({ length: 256 }, (_, i) => (((i * 7) % 16) - 8) / 8);
    const step = type === 'Q8_0' ? 1 / 127 : 1 / 8;
    for (const [i, decoded] of roundTrip(type, values).entries()) {
      expect(Math.abs(decoded - values[i]!)).toBeLessThan(step * (type === 'Q8_0' ? 0.5 : 0.01));
    }
  });

  it.each(['Q8_0', 'Q4_K', 'Q6_K'] as const)('of zeros, of one value, of one sign stay finite and near: %s', (type) => {
    expect(roundTrip(type, new Float32Array(256))).toEqual(new Float32Array(256));
    for (const value of [0.5, -0.5, 1e-9, -1e-9, 4_000_000]) {
      for (const decoded of roundTrip(type, new Float32Array(256).fill(value))) {
        expect(Math.abs(decoded - value)).toBeLessThanOrEqual(Math.max(Math.abs(value) / 100, 2e-7));
      }
    }
    expect(
      relativeError(
        type,
        normal(256, 0.1).map((value) => value + 1),
      ),
    ).toBeLessThan(0.04);
    expect(
      relativeError(
        type,
        normal(256, 0.1).map((value) => value - 1),
      ),
    ).toBeLessThan(0.04);
  });

  it.each(['Q8_0', 'Q4_K', 'Q6_K'] as const)('never err by more than a step: %s', (type) => {
    const { values: length } = blockLayouts[type];
    const steps = { Q8_0: 127, Q4_K: 15, Q6_K: 32 }[type];
    const any = fc.float({ min: -1000, max: 1000, noNaN: true });
    fc.assert(
      fc.property(fc.array(any, { minLength: length, maxLength: length }), (list) => {
        const values = Float32Array.from(list);
        const decoded = roundTrip(type, values);
        const range = type === 'Q4_K' ? 2 : 1;
        const most = values.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
        const worst = values.reduce((a, b, i) => Math.max(a, Math.abs(b - decoded[i]!)), 0);
        // clipping a rare extreme may pay; the scales of sub-blocks are rounded themselves
        expect(worst).toBeLessThanOrEqual(Math.max(2e-6, (1.6 * range * most) / steps));
      }),
    );
  });

  it.each(['F32', 'F16', 'BF16'] as const)('come back to the same bytes: %s', (type) => {
    fc.assert(
      fc.property(fc.array(anyBlock[type], { minLength: 1 }), (blocks) => {
        const values = Float32Array.from(blocks.flatMap((block) => [...block.values]));
        expect(bits(roundTrip(type, values))).toEqual(bits(values));
      }),
    );
  });

  it('are the same bytes each time', () => {
    for (const type of blockTypes) {
      const values = normal(1024, 0.05);
      expect(encoded(type, values)).toEqual(encoded(type, values.slice()));
    }
  });

  it('are these bytes', () => {
    const ramp = Float32Array.from({ length: 32 }, (_, i) => i - 16);
    ramp[31] = 127;
    expect([...encoded('Q8_0', ramp)]).toEqual([0, 0x3c, ...Array.from(ramp, (value) => value & 255)]);
    expect([...encoded('F16', Float32Array.of(1, 70_000))]).toEqual([0, 0x3c, 0, 0x7c]);
    expect([...encoded('BF16', Float32Array.of(1, -2))]).toEqual([0x80, 0x3f, 0, 0xc0]);
    expect([...encoded('F32', Float32Array.of(1.5))]).toEqual([0, 0, 0xc0, 0x3f]);
  });

  it('refuse what they cannot hold', () => {
    for (const type of ['Q8_0', 'Q4_K', 'Q6_K'] as const) {
      for (const value of [Number.NaN, Number.POSITIVE_INFINITY, -1e7]) {
        const values = new Float32Array(256);
        values[77] = value;
        expect(() => encoded(type, values)).toThrow(
          expect.objectContaining({ code: 'BLOCK_VALUE', message: expect.stringContaining('Value 77') }),
        );
      }
      expect(() => encoded(type, new Float32Array(16))).toThrow(RangeError);
      expect(() => encodeBlocks(type, new Float32Array(256), new Uint8Array(5))).toThrow(RangeError);
    }
  });
});
