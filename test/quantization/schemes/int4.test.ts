import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decoded, ONE, open, partsOf } from './open.ts';

const hex = (bytes: readonly number[] | undefined): string => Buffer.from(bytes ?? []).toString('hex');

describe('int4', () => {
  it('keeps two codes a byte, the first in the low half, each plus 8', () => {
    // scale 1; codes 7, -7, 0, 3, -1
    const parts = partsOf(open('int4', 5), [7, -7, 0, 3.4, -1.2]);
    expect(hex(parts['codes'])).toBe('1fb807');
    expect(parts['scales']).toEqual([ONE]);
  });

  it('rounds halves to the even neighbour', () => {
    expect(hex(partsOf(open('int4', 6), [7, 0.5, 1.5, 2.5, -0.5, -1.5])['codes'])).toBe('8faa68');
  });

  it('has a scale for each block, the last one perhaps shorter', () => {
    const rows = Array.from({ length: 20 }, (_, i) => (i < 16 ? 7 : 14));
    const int4 = open({ scheme: 'int4', block: 16 }, 20);
    expect(int4.parts).toEqual([
      { name: 'codes', dtype: 'U8', shape: [10], rowBytes: 10 },
      { name: 'scales', dtype: 'F16', shape: [2], rowBytes: 4 },
    ]);
    expect(partsOf(int4, rows)['scales']).toEqual([ONE, 0x4000]);
    expect(decoded(int4, rows)).toEqual(rows);
  });

  it('keeps a code of zero for each block where it is asymmetric', () => {
    const int4 = open({ scheme: 'int4', mode: 'asymmetric' }, 4);
    const parts = partsOf(int4, [-5, 10, 0, 2.6]);
    expect(hex(parts['codes'])).toBe('f085');
    expect(parts).toMatchObject({ scales: [ONE], zeros: [5] });
    expect(decoded(int4, [-5, 10, 0, 2.6])).toEqual([-5, 10, 0, 3]);
  });

  it('has a scale of 0 for a block of zeros or subnormal numbers, which is 8 in every half', () => {
    const parts = partsOf(open('int4', 3), [0, -0, 2 ** -140]);
    expect(hex(parts['codes'])).toBe('8808');
    expect(parts['scales']).toEqual([0]);
  });

  it('takes the nearest wider binary16 step for a block that is all but nothing', () => {
    const int4 = open('int4', 2);
    // 2^-24 is the least one, and reaches 7 of it
    expect(partsOf(int4, [2 ** -24, -(2 ** -30)])).toMatchObject({ scales: [1], codes: [0x89] });
    expect(decoded(int4, [2 ** -24, -(2 ** -30)])).toEqual([2 ** -24, 0]);
  });

  it('takes one number and none, and the largest float32 where scales are float32', () => {
    expect(partsOf(open('int4', 1), [-7])).toEqual({ codes: [1], scales: [ONE] });
    expect(partsOf(open('int4', 40), [])).toEqual({ codes: [], scales: [] });
    const largest = 3.4028234663852886e38;
    expect(partsOf(open({ scheme: 'int4', scales: 'f32' }, 1), [largest])['codes']).toEqual([15]);
    expect(() => open('int4', 1).encode(Float32Array.of(largest))).toThrow(
      expect.objectContaining({ code: 'QUANTIZE_VALUE', message: expect.stringContaining('row 0') }),
    );
  });

  it.each(['minmax', 'mse'] as const)('refuses NaN and infinities: %s', (calibrate) => {
    const rows = new Float32Array(80).fill(1);
    rows[77] = Number.NEGATIVE_INFINITY;
    const encode = () => open({ scheme: 'int4', calibrate }, 40).encode(rows);
    expect(encode).toThrow(
      expect.objectContaining({ code: 'QUANTIZE_VALUE', message: expect.stringContaining('row 1, column 37') }),
    );
  });

  it('is off by half a step at most', () => {
    fc.assert(
      fc.property(fc.array(fc.float({ min: -100, max: 100, noNaN: true }), { minLength: 1, maxLength: 32 }), (rows) => {
        const most = Math.max(...rows.map(Math.abs));
        fc.pre(most > 1);
        const values = decoded(open('int4', rows.length), rows);
        for (const [i, value] of values.entries()) {
          expect(Math.abs(value - rows[i]!)).toBeLessThanOrEqual((most / 7) * 0.501);
        }
      }),
    );
  });

  it('has no larger squared error with the scales of least error', () => {
    fc.assert(
      fc.property(
        fc.array(fc.float({ min: -100, max: 100, noNaN: true }), { minLength: 1, maxLength: 90 }),
        fc.constantFrom('symmetric' as const, 'asymmetric' as const),
        (rows, mode) => {
          fc.pre(rows.some((value) => Math.abs(value) > 1e-3));
          const errorOf = (calibrate: 'minmax' | 'mse') =>
            decoded(open({ scheme: 'int4', calibrate, mode }, rows.length), rows).reduce(
              (sum, value, i) => sum + (value - rows[i]!) ** 2,
              0,
            );
          const least = errorOf('mse');
          const plain = errorOf('minmax');
          expect(least).toBeLessThanOrEqual(plain * 1.00001);
        },
      ),
    );
  });

  it('finds a better scale than the widest', () => {
    // 1 and many 0.5: with the scale 1 / 7 these are 3.5 steps
    const rows = [1, ...new Array<number>(31).fill(0.5)];
    const errorOf = (calibrate: 'minmax' | 'mse') =>
      decoded(open({ scheme: 'int4', calibrate }, 32), rows).reduce(
        (sum, value, i) => sum + (value - rows[i]!) ** 2,
        0,
      );
    expect(errorOf('mse')).toBeLessThan(errorOf('minmax') / 4);
  });

  it.each(['symmetric', 'asymmetric'] as const)('takes no step that cannot be kept for the best one: %s', (mode) => {
    // the widest step is 1.2 times the least one that is kept, 2^-125
    const rows = [8.4, -8.4, 4, -2.5, 1].map((value) => value * 2 ** -125);
    const int4 = open({ scheme: 'int4', calibrate: 'mse', mode, scales: 'f32' }, 5);
    const values = decoded(int4, rows);
    for (const [i, value] of values.entries()) expect(Math.abs(value - rows[i]!)).toBeLessThan(1.5 * 2 ** -125);
  });

  it('decodes nothing that encoding never gives', () => {
    const int4 = open('int4', 3);
    const scale = Uint8Array.of(0, 0x3c);
    for (const codes of [[0x80, 0x08], [0x88, 0x00], [0x88, 0x18], [0x88]]) {
      expect(() => int4.decode([Uint8Array.from(codes), scale])).toThrow(
        expect.objectContaining({ code: 'QUANTIZE_CODE' }),
      );
    }
    const asymmetric = open({ scheme: 'int4', mode: 'asymmetric' }, 2);
    expect(() => asymmetric.decode([Uint8Array.of(0), scale, Uint8Array.of(16)])).toThrow(
      expect.objectContaining({ code: 'QUANTIZE_CODE' }),
    );
  });

  it.each([[{ block: 8 }], [{ block: 20 }], [{ block: 512 }], [{ block: 'wide' }], [{ calibrate: 'percentile' }]])(
    'has no %j',
    (options) => {
      expect(() => open({ scheme: 'int4', ...(options as object) }, 2)).toThrow(
        expect.objectContaining({ code: 'BAD_OPTION' }),
      );
    },
  );
});
