import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromF16, scaleF16 } from '../../../src/kernels/blocks/half.ts';
import { decoded, learned, ONE, open, partsOf } from './open.ts';

const LARGEST = 3.4028234663852886e38;

describe('int8 by rows', () => {
  it('gives codes that are multiples of the largest magnitude / 127', () => {
    // the scale is 1: 127 / 127
    expect(partsOf(open('int8', 6), [127, -127, 0, 1.4, -63.6, 100])).toEqual({
      codes: [127, -127, 0, 1, -64, 100],
      scales: [ONE],
    });
  });

  it('rounds halves to the even neighbour', () => {
    const rows = [127, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5];
    expect(partsOf(open('int8', 7), rows)['codes']).toEqual([127, 0, 2, 2, 0, -2, -2]);
  });

  it('decodes to code times scale', () => {
    expect(decoded(open('int8', 4), [254, -254, 2, 3.1])).toEqual([254, -254, 2, 4]);
  });

  it('has a scale of 0 for rows of zeros, of either sign, and of subnormal numbers', () => {
    const int8 = open('int8', 2);
    expect(partsOf(int8, [0, -0, 2 ** -127, -(2 ** -149)])).toEqual({ codes: [0, 0, 0, 0], scales: [0, 0] });
    expect(decoded(int8, [0, -0, 2 ** -127, 0])).toEqual([0, 0, 0, 0]);
  });

  it('takes subnormal numbers beside others for zeros', () => {
    expect(partsOf(open({ scheme: 'int8', scales: 'f32' }, 2), [2 ** -149, 2 ** -118])['codes']).toEqual([0, 127]);
  });

  it('takes one number, an odd number of them, and none', () => {
    expect(partsOf(open('int8', 1), [-127])).toEqual({ codes: [-127], scales: [ONE] });
    expect(partsOf(open('int8', 3), [127, 1, -1])['codes']).toEqual([127, 1, -1]);
    expect(partsOf(open('int8', 3), [])).toEqual({ codes: [], scales: [] });
    expect(open('int8', 3).decode([new Uint8Array(), new Uint8Array()])).toEqual(new Float32Array());
  });

  it('takes the largest float32 where scales are float32', () => {
    const int8 = open({ scheme: 'int8', scales: 'f32' }, 2);
    expect(partsOf(int8, [LARGEST, -LARGEST / 4])).toEqual({ codes: [127, -32], scales: [Math.fround(LARGEST / 127)] });
    expect(decoded(int8, [LARGEST, 0])[0]).toBeGreaterThan(0.9999 * LARGEST);
  });

  it.each([
    [[0, Number.NaN], 'row 0, column 1: NaN has no code'],
    [[1, 1, Number.POSITIVE_INFINITY, 1], 'row 1, column 0: Infinity has no code'],
    [[1, 1, 1, 1, 1, Number.NEGATIVE_INFINITY], 'row 2, column 1: -Infinity has no code'],
  ])('refuses %j', (rows, message) => {
    for (const mode of ['symmetric', 'asymmetric'] as const) {
      const encode = () => open({ scheme: 'int8', mode }, 2).encode(Float32Array.from(rows));
      expect(encode).toThrow(expect.objectContaining({ code: 'QUANTIZE_VALUE', message }));
    }
  });

  it.each([
    ['small', 127 * 2 ** -15],
    ['large', 127 * 65536],
  ])('refuses a row that is too %s for a scale in f16, and names the way out', (_, value) => {
    const encode = () => open('int8', 1).encode(Float32Array.of(1, value));
    expect(encode).toThrow(
      expect.objectContaining({
        code: 'QUANTIZE_VALUE',
        message: 'row 1 has magnitudes beyond what scales in f16 can hold',
        hint: "keep the scales as float32: { scales: 'f32' }",
      }),
    );
    expect(partsOf(open({ scheme: 'int8', scales: 'f32' }, 1), [value])['codes']).toEqual([127]);
  });

  it('keeps 128 numbers in 130 bytes, 3.94 times less', () => {
    const bytes = open('int8', 128).parts.reduce((sum, { rowBytes }) => sum + rowBytes, 0);
    expect(bytes).toBe(130);
  });

  it('is off by half a step at most', () => {
    fc.assert(
      fc.property(
        fc.array(fc.float({ min: -1000, max: 1000, noNaN: true }), { minLength: 1, maxLength: 40 }),
        (rows) => {
          const most = Math.max(...rows.map(Math.abs));
          fc.pre(most > 1);
          const step = fromF16(scaleF16(most, 127));
          const values = decoded(open('int8', rows.length), rows);
          for (const [i, value] of values.entries())
            expect(Math.abs(value - rows[i]!)).toBeLessThanOrEqual(0.50001 * step);
        },
      ),
    );
  });
});

describe('int8, asymmetric', () => {
  it('spreads codes from the least to the largest value', () => {
    // 255 steps of 1 from -5 to 250; -5 is -128
    expect(partsOf(open({ scheme: 'int8', mode: 'asymmetric' }, 4), [-5, 0, 250, 122])).toEqual({
      codes: [-128, -123, 127, -1],
      scales: [ONE],
      zeros: [-123],
    });
  });

  it('has 0 among its values, and 0 decodes to 0', () => {
    const int8 = open({ scheme: 'int8', mode: 'asymmetric' }, 3);
    expect(partsOf(int8, [255, 51, 0])).toEqual({ codes: [127, -77, -128], scales: [ONE], zeros: [-128] });
    expect(partsOf(int8, [-255, -51, 0])).toEqual({ codes: [-128, 76, 127], scales: [ONE], zeros: [127] });
    expect(decoded(int8, [-255, -51, 0])).toEqual([-255, -51, 0]);
    expect(decoded(int8, [0, 0, 0])).toEqual([0, 0, 0]);
  });

  it('is off by one step at most', () => {
    fc.assert(
      fc.property(
        fc.array(fc.float({ min: -1000, max: 1000, noNaN: true }), { minLength: 1, maxLength: 40 }),
        (rows) => {
          const range = Math.max(0, ...rows) - Math.min(0, ...rows);
          fc.pre(range > 1);
          const step = fromF16(scaleF16(range, 255));
          const values = decoded(open({ scheme: 'int8', mode: 'asymmetric' }, rows.length), rows);
          for (const [i, value] of values.entries())
            expect(Math.abs(value - rows[i]!)).toBeLessThanOrEqual(1.001 * step);
        },
      ),
    );
  });
});

describe('int8 with learned scales', () => {
  it('has one for each column', () => {
    const int8 = learned({ scheme: 'int8', scale: 'column' }, 2, [127, 1, -5, -254]);
    expect(int8.trained).toEqual([{ name: 'int8.scales', shape: [2], values: Float32Array.of(1, 2) }]);
    expect(partsOf(int8, [3, 3.1, 500, -500])).toEqual({ codes: [3, 2, 127, -127] });
    expect(decoded(int8, [3, 3.1, 500, -500])).toEqual([3, 4, 127, -254]);
  });

  it('has one for everything, and a code of zero', () => {
    const int8 = learned({ scheme: 'int8', scale: 'tensor', mode: 'asymmetric' }, 2, [-5, 0, 250, 1]);
    expect(int8.trained.map(({ name, values }) => [name, ...values])).toEqual([
      ['int8.scales', 1],
      ['int8.zeros', -123],
    ]);
    expect(partsOf(int8, [-5, 251, -1000, 0])).toEqual({ codes: [-128, 127, -128, -123] });
    expect(decoded(int8, [-5, 249, 3, 0])).toEqual([-5, 249, 3, 0]);
  });

  it('keeps outliers out by percentile, and where that costs less', () => {
    const rows = [...Array.from({ length: 999 }, (_, i) => (i % 255) - 127), 12_700];
    const scaleOf = (options: object) =>
      learned({ scheme: 'int8', scale: 'tensor', ...options }, 1, rows).trained[0]?.values[0];
    expect(scaleOf({})).toBe(100);
    expect(scaleOf({ calibrate: 'percentile' })).toBe(1);
    expect(scaleOf({ calibrate: 'percentile', percentile: 100 })).toBe(100);
    expect(scaleOf({ calibrate: 'mse' })).toBe(100);
    const bell = Array.from({ length: 4000 }, (_, i) => Math.sin(i) ** 9 * Math.cos(i * i) ** 9);
    const range = learned({ scheme: 'int8', scale: 'tensor', calibrate: 'mse' }, 1, bell).trained[0]?.values[0] ?? 0;
    expect(range).toBeLessThanOrEqual(Math.max(...bell.map(Math.abs)) / 127);
    // the widest step is 2^-124: half of it would not be kept, and all would be zeros
    const tiny = [127, -100, 3, 1].map((value) => value * 2 ** -124);
    const least = learned({ scheme: 'int8', scale: 'tensor', calibrate: 'mse' }, 1, tiny).trained[0]?.values[0];
    expect(least).toBe(2 ** -124);
  });

  it('has no step for a column of zeros', () => {
    const int8 = learned({ scheme: 'int8', scale: 'column' }, 2, [0, 127]);
    expect(partsOf(int8, [5, 5])).toEqual({ codes: [0, 5] });
  });

  it('refuses a sample without rows or with NaN, and NaN in rows', () => {
    const to = { scheme: 'int8', scale: 'tensor' } as const;
    expect(() => learned(to, 2, [])).toThrow(expect.objectContaining({ code: 'QUANTIZE_SAMPLE' }));
    expect(() => learned(to, 2, [1, Number.NaN])).toThrow(expect.objectContaining({ code: 'QUANTIZE_VALUE' }));
    const encode = () => learned(to, 2, [1, 1]).encode(Float32Array.of(1, 1, 1, Number.NaN));
    expect(encode).toThrow('row 1, column 1: NaN has no code');
  });
});

describe('int8', () => {
  it('decodes nothing that encoding never gives', () => {
    const int8 = open('int8', 2);
    const scale = Uint8Array.of(0, 0x3c);
    const wrong: readonly (readonly Uint8Array[])[] = [
      [Uint8Array.of(1, 2)],
      [Uint8Array.of(1, 2, 3), scale],
      [Uint8Array.of(1, 2), Uint8Array.of(0)],
      [Uint8Array.of(1, 0x80), scale],
      [Uint8Array.of(1, 2), Uint8Array.of(0, 0xbc)],
      [Uint8Array.of(1, 2), Uint8Array.of(0, 0x7c)],
      [Uint8Array.of(1, 2), Uint8Array.of(1, 0x7e)],
    ];
    for (const parts of wrong) {
      expect(() => int8.decode(parts)).toThrow(expect.objectContaining({ code: 'QUANTIZE_CODE' }));
    }
    expect([...int8.decode([Uint8Array.of(1, 0x81), scale])]).toEqual([1, -127]);
  });

  it('names the row that cannot be decoded', () => {
    const codes = new Uint8Array(400);
    codes[250] = 0x80;
    const scales = new Uint8Array(400).map((_, i) => (i % 2) * 0x3c);
    expect(() => open('int8', 2).decode([codes, scales])).toThrow('row 125 holds something that encoding never gives');
  });

  it.each([
    [{ mode: 'odd' }, 'BAD_OPTION'],
    [{ scale: 'matrix' }, 'BAD_OPTION'],
    [{ calibrate: 'mse' }, 'BAD_OPTION'],
    [{ scale: 'tensor', scales: 'f32' }, 'BAD_OPTION'],
    [{ scale: 'tensor', percentile: 99 }, 'BAD_OPTION'],
    [{ scale: 'tensor', calibrate: 'percentile', percentile: 0 }, 'BAD_OPTION'],
    [{ mod: 'symmetric' }, 'UNKNOWN_OPTION'],
  ])('has no %j', (options, code) => {
    expect(() => open({ scheme: 'int8', ...(options as object) }, 2)).toThrow(expect.objectContaining({ code }));
  });
});
