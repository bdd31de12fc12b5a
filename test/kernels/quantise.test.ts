import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { quantiseBlocks, quantiseVector } from '../../src/kernels/index.ts';
import { quantisedBlocks, quantisedVector } from '../../src/kernels/quantise/cpu.ts';
import { conforms, normals } from './conformance.ts';

const ALL_BITS = Array.from({ length: 16 }, (_, i) => i + 1);
/** Compilers may put the parts of a sum together in another way: codes and scales are exact, values all but. */
const LAST_BIT = 2 ** -23;
/** Below, a device may take a value for zero. */
const SMALLEST = 2 ** -126;

/** Values around, on and between the codes of so many bits, and beyond the range. */
function trying(bits: number): Float32Array {
  const levels = Math.max(1, 2 ** (bits - 1) - 1);
  const values = [0, 1, -1, 1.5, -7, 1e30, -1e30, 1e-30, -1e-41];
  const step = Math.max(1, Math.floor(levels / 40));
  for (let code = -levels; code <= levels; code += step) {
    values.push(code / levels, (code + 0.5) / levels, (code + 0.4999) / levels);
  }
  return Float32Array.of(...values, ...normals(64, bits, 0.5));
}

conforms(
  quantiseVector,
  ALL_BITS.flatMap((bits) =>
    // a multiple of four, and none
    [0, 1].map((odd) => {
      const all = trying(bits);
      const input = all.subarray(0, all.length - (all.length % 4) - odd);
      const { codes, values } = quantisedVector(input, bits);
      return {
        name: `${input.length} values in ${bits} bits`,
        sizes: { count: input.length, bits },
        buffers: { input, values: new Float32Array(input.length), codes: new Int32Array(input.length) },
        expected: { codes: { values: codes }, values: { values, relative: LAST_BIT } },
      };
    }),
  ),
);

/** Rows of very different ranges, with a row of zeros and one of numbers that are no normal ones. */
function blocks(rows: number, columns: number, seed: number): Float32Array {
  const values = normals(rows * columns, seed);
  for (let i = 0; i < values.length; i++) {
    const row = Math.floor(i / columns);
    if (row === 1) values[i] = 0;
    else if (row === 2) values[i] = 2 ** -140;
    else values[i]! *= 2 ** (row % 9 === 8 ? 123 : 10 * (row % 9) - 60);
  }
  return values;
}

conforms(
  quantiseBlocks,
  [
    ...ALL_BITS.map((bits) => [24, 32, bits] as const),
    [1, 1, 5] as const,
    [7, 3, 16] as const,
    [3, 130, 4] as const,
    [11, 260, 8] as const,
    [400, 4, 12] as const,
  ].map(([rows, columns, bits]) => {
    const input = blocks(rows, columns, bits);
    const { codes, values, scales } = quantisedBlocks(input, columns, bits);
    const written = { scales: new Float32Array(rows), values: new Float32Array(input.length) };
    return {
      name: `${rows} blocks of ${columns} in ${bits} bits`,
      sizes: { rows, columns, bits },
      buffers: { input, ...written, codes: new Int32Array(input.length) },
      expected: {
        codes: { values: codes },
        values: { values, absolute: SMALLEST, relative: 2 * LAST_BIT },
        scales: { values: scales },
      },
    };
  }),
);

const unit = fc.float({ min: -1, max: 1, noNaN: true });
const bitCounts = fc.integer({ min: 1, max: 16 });

describe('values quantised over one range', () => {
  it('are the multiples of 1 / levels next to them', () => {
    fc.assert(
      fc.property(fc.float32Array({ noNaN: true, minLength: 1 }), fc.integer({ min: 2, max: 16 }), (input, bits) => {
        const levels = 2 ** (bits - 1) - 1;
        const { codes, values } = quantisedVector(input, bits);
        for (let i = 0; i < input.length; i++) {
          const clipped = Math.max(-1, Math.min(1, input[i]!));
          expect(Math.abs(codes[i]!)).toBeLessThanOrEqual(levels);
          expect(values[i]).toBe(Math.fround(codes[i]! / levels));
          expect(Math.abs(values[i]! - clipped)).toBeLessThanOrEqual((0.5 + levels * 2 ** -23) / levels);
        }
      }),
    );
  });

  it('stay as they are when they are quantised again', () => {
    fc.assert(
      fc.property(fc.array(unit, { minLength: 1 }), bitCounts, (input, bits) => {
        const once = quantisedVector(Float32Array.from(input), bits);
        expect(quantisedVector(once.values, bits)).toEqual(once);
      }),
    );
  });

  it('go to the even code from halfway between two', () => {
    // with levels -1, 0, 1 the halves are float32 numbers
    expect([...quantisedVector(Float32Array.of(0.5, -0.5, 0.5000001, -0.75, 1, -3), 2).codes]).toEqual([
      0, 0, 1, -1, 1, -1,
    ]);
  });

  it('are all 0 with one bit, which has no levels', () => {
    const input = Float32Array.of(1, -1, 0.3, 1e30);
    expect(quantisedVector(input, 1)).toEqual({ codes: new Int32Array(4), values: new Float32Array(4) });
    expect(quantisedBlocks(input, 4, 1)).toMatchObject({ codes: new Int32Array(4), values: new Float32Array(4) });
  });
});

describe('values quantised in blocks', () => {
  it('are off by no more than half a step of their own block', () => {
    const block = fc.array(fc.float({ noNaN: true, min: Math.fround(-1e20), max: Math.fround(1e20) }), {
      minLength: 8,
      maxLength: 8,
    });
    fc.assert(
      fc.property(fc.array(block, { minLength: 1, maxLength: 4 }), fc.integer({ min: 2, max: 16 }), (rows, bits) => {
        const input = Float32Array.from(rows.flat());
        const { values, scales } = quantisedBlocks(input, 8, bits);
        for (let i = 0; i < input.length; i++) {
          const largest = Math.max(...rows[Math.floor(i / 8)]!.map(Math.abs));
          const step = largest / (2 ** (bits - 1) - 1);
          expect(scales[Math.floor(i / 8)]).toBe(largest < SMALLEST ? 0 : largest);
          expect(Math.abs(values[i]! - input[i]!)).toBeLessThanOrEqual(0.51 * step + SMALLEST);
        }
      }),
    );
  });

  it('keep the largest magnitude', () => {
    const { values } = quantisedBlocks(Float32Array.of(0.1, -0.7, 0.3, 5e9, 0, 1e9), 3, 3);
    expect([values[1], values[3]]).toEqual([Math.fround(-0.7), 5e9]);
  });
});

describe('bits that there are not', () => {
  it('throw RangeError, on the CPU and in a dispatch', () => {
    for (const bits of [0, 17, 2.5, -1, Number.NaN]) {
      expect(() => quantisedVector(new Float32Array(4), bits)).toThrow(RangeError);
      expect(() => quantisedBlocks(new Float32Array(4), 4, bits)).toThrow(RangeError);
      for (const form of quantiseVector.forms) expect(() => form.workgroups({ count: 4, bits })).toThrow(RangeError);
      for (const form of quantiseBlocks.forms) {
        expect(() => form.workgroups({ rows: 1, columns: 4, bits })).toThrow(`${bits} bits`);
      }
    }
  });
});
