import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { blockInputs, isBlocked } from '../../../src/model/quantized/layout.ts';
import { dequantizedMatrix, QUANTIZED_TYPES } from '../../../src/model/quantized/matrix.ts';
import { roundToNearest } from '../../../src/model/quantized/roundToNearest.ts';

const rounded = (type: (typeof QUANTIZED_TYPES)[number], outputs: number, ...weights: number[]) =>
  roundToNearest(type, Float32Array.from(weights), outputs, weights.length / outputs);

describe('weights as the nearest codes', () => {
  it('of int8 share a scale, of int8-channel in each row', () => {
    // halves between two codes go to the even one
    expect(rounded('int8', 2, 127, 0.5, 1.5, -2.5, 0, -126.6)).toMatchObject({
      codes: Int8Array.of(127, 0, 2, -2, 0, -127),
      scales: Float32Array.of(1),
    });
    expect(rounded('int8-channel', 2, 127, 1, -254, 3)).toMatchObject({
      codes: Int8Array.of(127, 1, -127, 2),
      scales: Float32Array.of(1, 2),
    });
  });

  it('of int4 lie on a line from the least to the largest of a block', () => {
    const ramp = Array.from({ length: 32 }, (_, i) => -4 + (i % 16) / 2);
    expect(rounded('int4', 1, ...ramp, 7)).toEqual({
      type: 'int4',
      outputs: 1,
      inputs: 33,
      codes: Int8Array.from([...ramp.map((_, i) => i % 16), 0]),
      // the second block is one weight
      scales: Float32Array.of(0.5, 0),
      minima: Float32Array.of(-4, 7),
    });
    expect(rounded('int4-64', 1, ...ramp, 7)).toMatchObject({ scales: { length: 1 }, minima: Float32Array.of(-4) });
  });

  it('of ternary are further from zero than half the mean magnitude of the row', () => {
    expect(rounded('ternary', 2, 1, -1, 0.25, 1.75, 0, 0, 0, 0)).toMatchObject({
      codes: Int8Array.of(1, -1, 0, 1, 0, 0, 0, 0),
      scales: Float32Array.of(1, 0),
    });
  });

  it.each(QUANTIZED_TYPES)('of %s are zeros where the weights are zeros, or too small for a scale', (type) => {
    for (const weight of [0, -0, 2 ** -149]) {
      const matrix = roundToNearest(type, new Float32Array(6).fill(weight), 2, 3);
      expect(dequantizedMatrix(matrix).every((value) => value === 0)).toBe(true);
    }
  });

  it.each(QUANTIZED_TYPES)('of %s have scales that are no numbers where the weights are none', (type) => {
    const { scales, minima } = rounded(type, 1, 1, Number.NaN, 3);
    expect([...scales, ...(minima ?? [])].some(Number.isNaN)).toBe(true);
  });

  it.each(QUANTIZED_TYPES)('of %s are no more than half a step off, unless they lie beyond the last code', (type) => {
    const weight = fc.float({ noNaN: true, min: -100, max: 100 });
    const shape = fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 70 }));
    const matrix = shape.chain(([outputs, inputs]) =>
      fc
        .array(weight, { minLength: outputs * inputs, maxLength: outputs * inputs })
        .map((weights) => ({ weights, outputs, inputs })),
    );
    fc.assert(
      fc.property(matrix, ({ weights, outputs, inputs }) => {
        const made = roundToNearest(type, Float32Array.from(weights), outputs, inputs);
        const values = dequantizedMatrix(made);
        const blocks = Math.ceil(inputs / blockInputs(type, inputs));
        for (const [i, value] of weights.entries()) {
          const block = Math.floor((i % inputs) / blockInputs(type, inputs));
          const step = made.scales[type === 'int8' ? 0 : Math.floor(i / inputs) * blocks + block]!;
          if (type === 'ternary' && Math.abs(value) > 1.5 * step) continue;
          // minima are rounded to binary16, whose steps are 2^-4 near 100
          const coarse = isBlocked(type) ? 2 ** -5 : 0;
          expect(Math.abs(values[i]! - value)).toBeLessThanOrEqual(step * 0.50001 + coarse + 1e-30);
        }
      }),
    );
  });

  it('must be as many as the matrix has', () => {
    expect(() => roundToNearest('int8', new Float32Array(5), 2, 3)).toThrow(RangeError);
  });
});
