import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeBlocks } from '../../../src/kernels/blocks/encodeBlocks.ts';
import { blockBytes } from '../../../src/kernels/blocks/layout.ts';
import { unpackedWeights } from '../../../src/kernels/weights/cpu.ts';
import { type WeightType, weightLayouts, weightTypes } from '../../../src/kernels/weights/layout.ts';
import { weightsOf } from '../../../src/kernels/weights/pack.ts';
import { normals } from '../conformance.ts';

const row = fc.float32Array({ minLength: 1, maxLength: 70, noNaN: true, min: -1000, max: 1000 });

function roundTrip(type: WeightType, values: Float32Array, inputs = values.length): number[] {
  return [...unpackedWeights(type, weightsOf(type, values, inputs), inputs)];
}

/** Root of the mean squared error, relative to the values. */
function relativeError(type: WeightType, values: Float32Array, inputs: number): number {
  const found = roundTrip(type, values, inputs);
  const squares = (numbers: number[]): number => numbers.reduce((sum, number) => sum + number * number, 0);
  return Math.sqrt(squares(found.map((value, i) => value - values[i]!)) / squares([...values]));
}

describe('packed weights', () => {
  it.each(weightTypes)('are rows of as many words as the layout says, one after the other: %s', (type) => {
    const inputs = type === 'q4_k' ? 512 : 45;
    const [first, second] = [normals(3 * inputs, 1), normals(2 * inputs, 2)];
    const [a, b] = [weightsOf(type, first, inputs), weightsOf(type, second, inputs)];
    const both = weightsOf(type, Float32Array.of(...first, ...second), inputs);
    expect(a.words.length).toBe(3 * weightLayouts[type].words(inputs));
    expect(a.scales.length).toBe(3 * weightLayouts[type].scales(inputs));
    expect([...both.words]).toEqual([...a.words, ...b.words]);
    expect([...both.scales]).toEqual([...a.scales, ...b.scales]);
  });

  it('are the same numbers as f32, in files’ own order where rows are multiples of four', () => {
    fc.assert(
      fc.property(row, (values) => {
        expect(roundTrip('f32', values)).toEqual([...values]);
      }),
    );
    const values = normals(24);
    expect([...weightsOf('f32', values, 8).words]).toEqual([...new Uint32Array(values.buffer)]);
  });

  it.each([
    ['bf16', 'BF16'],
    ['f16', 'F16'],
    ['q4_k', 'Q4_K'],
  ] as const)('are bytes of model files as %s', (type, block) => {
    const values = normals(1024, 3);
    const bytes = new Uint8Array(blockBytes(block, values.length));
    encodeBlocks(block, values, bytes);
    expect(new Uint8Array(weightsOf(type, values, 512).words.buffer)).toEqual(bytes);
  });

  it('are off by no more than half a step as int8, and the largest magnitude by next to nothing', () => {
    fc.assert(
      fc.property(row, (values) => {
        const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
        for (const [i, value] of roundTrip('int8', values).entries()) {
          const most = Math.abs(values[i]!) === largest ? 1e-6 * largest : 0.5001 * (largest / 127);
          expect(Math.abs(value - values[i]!)).toBeLessThanOrEqual(most + 127 * 2 ** -126);
        }
      }),
    );
  });

  it('are zeros where a row is too small for a scale', () => {
    for (const type of ['int8', 'ternary'] as const) {
      expect(roundTrip(type, new Float32Array(8).fill(-(2 ** -140)))).toEqual(new Array(8).fill(0));
    }
  });

  it('are off by no more than a step as int4: constant blocks by the rounding of binary16 alone', () => {
    fc.assert(
      fc.property(row, (values) => {
        for (const [i, value] of roundTrip('int4', values).entries()) {
          const block = values.subarray(32 * Math.floor(i / 32), 32 * Math.floor(i / 32) + 32);
          const range = Math.max(...block) - Math.min(...block);
          const magnitude = Math.max(...block.map(Math.abs));
          expect(Math.abs(value - values[i]!)).toBeLessThanOrEqual(0.2 * range + magnitude / 500 + 2 ** -20);
        }
      }),
    );
    expect(roundTrip('int4', new Float32Array(40).fill(-3.25))).toEqual(new Array(40).fill(-3.25));
  });

  it('are the nearest of -1, 0, 1 times the mean magnitude of the row as ternary', () => {
    expect(roundTrip('ternary', Float32Array.of(1, -1, 0.25, -0.25, 4, -3.5, 0.5, -1.5))).toEqual([
      1.5, -1.5, 0, 0, 1.5, -1.5, 0, -1.5,
    ]);
    const { words } = weightsOf('ternary', Float32Array.of(1, 0, 0, 0, 0, 0, 0, -1, 1, 0, 0, 0), 12);
    // byte 0 has the weights 0, 4, 8, 12, 16: digits 2 1 2 1 1
    expect(words[0]! & 255).toBe(Math.ceil((256 * (2 * 81 + 27 + 2 * 9 + 3 + 1)) / 243));
    expect(words[0]! >>> 24).toBe(Math.ceil((256 * (81 + 0 + 9 + 3 + 1)) / 243));
  });

  it.each([
    ['bf16', 0.0018],
    ['f16', 0.00025],
    ['int8', 0.009],
    ['int4', 0.073],
    ['ternary', 0.53],
    ['q4_k', 0.073],
  ] as const)('have the error that is stated for normal weights: %s', (type, most) => {
    expect(relativeError(type, normals(16 * 768, 5, 0.02), 768)).toBeLessThan(most);
  });

  it('are refused where the type cannot hold them', () => {
    expect(() => weightsOf('f32', new Float32Array(7), 2)).toThrow(RangeError);
    expect(() => weightsOf('f32', new Float32Array(0), 0)).toThrow(RangeError);
    expect(() => weightsOf('q4_k', new Float32Array(128), 128)).toThrow('multiple of 256');
    for (const type of ['f16', 'int8', 'int4', 'ternary', 'q4_k'] as const) {
      const values = new Float32Array(256);
      values[70] = Number.NaN;
      expect(() => weightsOf(type, values, 256)).toThrow(expect.objectContaining({ code: 'BLOCK_VALUE' }));
    }
    expect(() => weightsOf('f16', Float32Array.of(0, 65_600), 2)).toThrow('Weight 1 is 65600');
  });
});
