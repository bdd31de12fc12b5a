import { describe, expect, it } from 'vitest';
import { gptq } from '../../../src/model/quantize/gptq.ts';
import { inverseFactor } from '../../../src/model/quantize/inverseFactor.ts';
import { roundMatrix } from '../../../src/model/quantize/roundMatrix.ts';
import { bell, correlated, gramOf, matrix, outputError, randomMatrix } from './matrices.ts';

const identity = (n: number, value: number): Float64Array =>
  Float64Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? value : 0));

describe('inverseFactor', () => {
  it('is the root of the inverse: by hand', () => {
    // the inverse of [[4, 2], [2, 2]] is [[1/2, -1/2], [-1/2, 1]] = U^T U with U = [[r, -r], [0, r]], r the root of 1/2
    const r = Math.SQRT1_2;
    const found = inverseFactor(Float64Array.of(4, 2, 2, 2), 2)!;
    for (const [i, value] of [r, -r, 0, r].entries()) expect(found[i]).toBeCloseTo(value, 14);
  });

  it('gives the inverse of any positive matrix', () => {
    for (let seed = 0; seed < 5; seed++) {
      const n = 12;
      const { products: h } = gramOf(randomMatrix(40, n, bell(seed)).values, n);
      const u = inverseFactor(h, n)!;
      for (let row = 0; row < n; row++) {
        for (let column = 0; column < n; column++) {
          if (column < row) expect(u[row * n + column]).toBe(0);
          // (U^T U H)[row, column]
          let value = 0;
          for (let k = 0; k < n; k++) {
            for (let m = 0; m < n; m++) value += u[k * n + row]! * u[k * n + m]! * h[m * n + column]!;
          }
          expect(value).toBeCloseTo(row === column ? 1 : 0, 9);
        }
      }
    }
  });

  it('says where there is none', () => {
    expect(inverseFactor(Float64Array.of(1, 1, 1, 1), 2)).toBeUndefined();
    expect(inverseFactor(Float64Array.of(-1), 1)).toBeUndefined();
    expect(inverseFactor(Float64Array.of(Number.NaN), 1)).toBeUndefined();
  });
});

describe('gptq', () => {
  it.each(['int4', 'int4-64'] as const)(
    'of inputs that have nothing to do with each other is plain rounding: %s',
    (type) => {
      const weights = randomMatrix(5, 80, bell(3));
      const plain = roundMatrix(weights, type, { method: 'mse' });
      for (const size of [1, 37.5]) expect(gptq(weights, type, identity(80, size))).toEqual(plain);
    },
  );

  it.each(['int4', 'int4-64'] as const)('loses less of the outputs where inputs go together: %s', (type) => {
    for (let seed = 0; seed < 12; seed++) {
      const random = bell(seed);
      const weights = randomMatrix(6, 96, random);
      const x = correlated(150, 96, random);
      const plain = outputError(weights, roundMatrix(weights, type, { method: 'mse' }), x);
      expect(outputError(weights, gptq(weights, type, gramOf(x, 96).products), x)).toBeLessThan(plain / 2);
    }
  });

  it('hands the error of a column to the next one: by hand', () => {
    // sixteen weights pin the line of the block: a step is nearly 1, the minimum nearly 0
    const values = [0.4, 0.4, ...Array.from({ length: 16 }, (_, i) => i)];
    const n = values.length;
    const products = identity(n, 1);
    // the first two inputs are nearly the same number
    products[1] = 0.999;
    products[n] = 0.999;
    const plain = roundMatrix(matrix(1, n, values), 'int4', { method: 'mse' });
    expect([...plain.codes.subarray(0, 2)]).toEqual([0, 0]);
    // 0.4 is rounded to 0; the next weight becomes 0.4 + 0.4 * 0.999 / 1.01 and is rounded to 1
    const { codes } = gptq(matrix(1, n, values), 'int4', products);
    expect([...codes]).toEqual([0, 1, ...Array.from({ length: 16 }, (_, i) => i)]);
  });

  it('takes inputs that are always zero, or never vary', () => {
    const weights = randomMatrix(2, 32, bell(1));
    const plain = roundMatrix(weights, 'int4', { method: 'mse' });
    expect(gptq(weights, 'int4', new Float64Array(32 * 32))).toEqual(plain);
    const same = new Float64Array(32 * 32).fill(4);
    expect(gptq(weights, 'int4', same).codes).toHaveLength(64);
  });

  it('refuses inputs that are no numbers', () => {
    expect(() => gptq(randomMatrix(1, 2, bell(1)), 'int4', new Float64Array(4).fill(Number.NaN))).toThrow(
      expect.objectContaining({ code: 'CALIBRATION_SAMPLE' }),
    );
  });
});
