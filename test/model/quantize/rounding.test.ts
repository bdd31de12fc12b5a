import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { roundMatrix } from '../../../src/model/quantize/roundMatrix.ts';
import { dequantizedMatrix, QUANTIZED_TYPES, type QuantizedType } from '../../../src/model/quantized/matrix.ts';
import { roundToNearest } from '../../../src/model/quantized/roundToNearest.ts';
import { matrix, weightError } from './matrices.ts';

const f = Math.fround;
const ramp = Array.from({ length: 10 }, (_, i) => i + 1);

describe('percentile', () => {
  it('makes the nearest-rank percentile of the magnitudes the last code, and clips what is larger', () => {
    // the 90th percentile of ten magnitudes is the ninth
    const { codes, scales } = roundMatrix(matrix(1, 10, [...ramp.slice(0, 9), -10]), 'int8', {
      method: 'percentile',
      percentile: 90,
    });
    expect([...scales]).toEqual([f(9 / 127)]);
    // 4 / (9 / 127) is 56.44
    expect([...codes]).toEqual([14, 28, 42, 56, 71, 85, 99, 113, 127, -127]);
  });

  it('takes it row by row, or of the whole matrix', () => {
    const both = matrix(2, 10, [...ramp, ...ramp.map((value) => 10 * value)]);
    const options = { method: 'percentile', percentile: 50 } as const;
    expect([...roundMatrix(both, 'int8-channel', options).scales]).toEqual([f(5 / 127), f(50 / 127)]);
    // ten of twenty: 1 to 10 and 10 to 100
    expect([...roundMatrix(both, 'int8', options).scales]).toEqual([f(10 / 127)]);
  });

  it('clips both ends of the blocks of a row at one magnitude', () => {
    const { codes, scales, minima } = roundMatrix(matrix(1, 10, [-10, ...ramp.slice(0, 9)]), 'int4', {
      method: 'percentile',
      percentile: 80,
    });
    expect([...minima!]).toEqual([-8]);
    // 16 / 15 in binary16
    expect([...scales]).toEqual([1.06640625]);
    expect([...codes]).toEqual([0, 8, 9, 10, 11, 12, 13, 14, 15, 15]);
  });

  it('does not vanish where nearly all weights are zero', () => {
    const { codes, scales } = roundMatrix(matrix(1, 10, [0, 0, 0, 0, 0, 0, 0, 0, 0, 5]), 'int8-channel', {
      method: 'percentile',
      percentile: 50,
    });
    expect([scales[0], codes[9]]).toEqual([f(5 / 127), 127]);
  });

  it('is the largest magnitude at 100', () => {
    const values = matrix(2, 5, ramp);
    const options = { method: 'percentile', percentile: 100 } as const;
    for (const type of ['int8', 'int8-channel', 'int4', 'int4-64'] as const) {
      expect(roundMatrix(values, type, options)).toEqual(roundToNearest(type, values.values, 2, 5));
    }
  });
});

describe('mse', () => {
  it('loses nothing of weights that codes can hold', () => {
    const whole = matrix(1, 4, [127, -127, 64, 1]);
    expect([...roundMatrix(whole, 'int8-channel', { method: 'mse' }).codes]).toEqual([127, -127, 64, 1]);
    const line = matrix(
      1,
      16,
      Array.from({ length: 16 }, (_, i) => 0.5 * i - 2),
    );
    const { codes, scales, minima } = roundMatrix(line, 'int4', { method: 'mse' });
    expect([...codes]).toEqual(Array.from({ length: 16 }, (_, i) => i));
    expect([scales[0], minima![0]]).toEqual([0.5, -2]);
  });

  it.each([
    // the largest alone takes 4^2 off the error, all of them (8^2) / 5 = 12.8
    [[1, 1, 1, 1, 4], 4, [0, 0, 0, 0, 1]],
    // the largest alone 2^2, all of them (6^2) / 5 = 7.2: their mean is the scale
    [[1, -1, 1, -1, 2], 1.2, [1, -1, 1, -1, 1]],
    [[0, 0, 0], 0, [0, 0, 0]],
    [[-3], 3, [-1]],
  ])('finds the best ternary scale of %j', (row, scale, codes) => {
    const found = roundMatrix(matrix(1, row.length, row), 'ternary', { method: 'mse' });
    expect([...found.scales]).toEqual([f(scale)]);
    expect([...found.codes]).toEqual(codes);
  });

  it('has no better ternary scale than the one it finds', () => {
    const numbers = fc.array(fc.double({ min: -4, max: 4, noNaN: true }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(numbers, (row) => {
        const weights = matrix(1, row.length, row);
        const found = weightError(weights, roundMatrix(weights, 'ternary', { method: 'mse' }));
        // every set of weights that is kept has its own best scale: all sets of a few weights
        let best = Number.POSITIVE_INFINITY;
        for (let kept = 0; kept < 2 ** row.length; kept++) {
          const inside = [...weights.values].filter((_, i) => (kept >> i) & 1).map(Math.abs);
          const mean = inside.length === 0 ? 0 : inside.reduce((a, b) => a + b) / inside.length;
          const error = weights.values.reduce(
            (sum, value, i) => sum + (Math.abs(value) - ((kept >> i) & 1 ? mean : 0)) ** 2,
            0,
          );
          best = Math.min(best, error);
        }
        expect(found).toBeLessThanOrEqual(best + 1e-5);
      }),
      { numRuns: 50 },
    );
  });

  it('never loses more than plain rounding, whatever the weights count', () => {
    const number = fc.oneof(
      fc.double({ min: -1, max: 1, noNaN: true }),
      fc.double({ min: -300, max: 300, noNaN: true }),
      fc.constant(0),
    );
    const cases = fc.record({
      type: fc.constantFrom<QuantizedType>(...QUANTIZED_TYPES),
      values: fc.array(number, { minLength: 70, maxLength: 70 }),
      importance: fc.array(fc.double({ min: 0, max: 9, noNaN: true }), { minLength: 35, maxLength: 35 }),
    });
    fc.assert(
      fc.property(cases, ({ type, values, importance }) => {
        const weights = matrix(2, 35, values);
        for (const counts of [undefined, Float64Array.from(importance)]) {
          const searched = roundMatrix(weights, type, { method: 'mse', importance: counts });
          const plain = roundToNearest(type, weights.values, 2, 35);
          const least = weightError(weights, plain, counts);
          expect(weightError(weights, searched, counts)).toBeLessThanOrEqual(least + 1e-6 * (1 + least));
        }
      }),
      { numRuns: 60 },
    );
  });

  it('looks away from weights that do not count', () => {
    // one weight is a hundred times the others: where it does not count, the others get all the codes
    const row = matrix(1, 8, [0.1, -0.2, 0.3, -0.4, 0.5, -0.6, 0.7, 100]);
    const importance = Float64Array.of(1, 1, 1, 1, 1, 1, 1, 0);
    const seen = roundMatrix(row, 'int4', { method: 'mse' });
    const unseen = roundMatrix(row, 'int4', { method: 'mse', importance });
    expect(weightError(row, unseen, importance)).toBeLessThan(weightError(row, seen, importance) / 10);
  });

  it('gains most where one weight stands far out', () => {
    const row = matrix(
      1,
      64,
      Array.from({ length: 64 }, (_, i) => (i === 5 ? 12 : Math.sin(i))),
    );
    const error = (type: QuantizedType) => [
      weightError(row, roundMatrix(row, type, { method: 'mse' })),
      weightError(row, roundToNearest(type, row.values, 1, 64)),
    ];
    const [best = 0, plain = 0] = error('ternary');
    expect(best).toBeLessThan(plain);
    const [best4 = 0, plain4 = 0] = error('int4-64');
    expect(best4).toBeLessThan(0.9 * plain4);
  });
});

it('keeps scales of every type as files hold them, and the same weights give the same codes', () => {
  const weights = matrix(
    3,
    40,
    Array.from({ length: 120 }, (_, i) => Math.sin(i * i)),
  );
  for (const type of QUANTIZED_TYPES) {
    const one = roundMatrix(weights, type, { method: 'mse' });
    expect(roundMatrix(weights, type, { method: 'mse' })).toEqual(one);
    expect(one.scales.length).toBe({ int8: 1, 'int8-channel': 3, int4: 6, 'int4-64': 3, ternary: 3 }[type]);
    expect(dequantizedMatrix(one).every((value) => Number.isFinite(value))).toBe(true);
  }
});
