import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decoded, ONE, open, partsOf } from './open.ts';

const refused = (code: string) => expect.objectContaining({ code });

describe('ternary', () => {
  it('gives -1, 0 and 1 times the mean magnitude, five to a byte in base 3', () => {
    // mean 1; codes 1, -1, 0, 1, 1: digits 2, 0, 1, 2, 2
    const ternary = open('ternary', 5);
    expect(partsOf(ternary, [1, -2, 0.25, 0.75, 1])).toEqual({ codes: [2 + 0 + 9 + 54 + 162], scales: [ONE] });
    expect(decoded(ternary, [1, -2, 0.25, 0.75, 1])).toEqual([1, -1, 0, 1, 1]);
  });

  it('rounds halves to the even neighbour, which is 0 here', () => {
    expect(decoded(open('ternary', 4), [0.5, -0.5, 1.5, 1.5])).toEqual([0, 0, 1, 1]);
  });

  it('pads the last byte of a row with zeros', () => {
    // mean 2, six and six: the last byte holds one digit, 2 for the code 1
    expect(partsOf(open('ternary', 6), new Array<number>(12).fill(2))['codes']).toEqual([242, 2, 242, 2]);
  });

  it('has a scale of 0 for zeros and subnormal numbers', () => {
    expect(partsOf(open('ternary', 2), [0, -0, 2 ** -140, -(2 ** -130)])).toEqual({ codes: [4, 4], scales: [0, 0] });
  });

  it('takes one number and none, and the largest float32 beside zeros', () => {
    expect(partsOf(open('ternary', 1), [-1])).toEqual({ codes: [0], scales: [ONE] });
    expect(partsOf(open('ternary', 3), [])).toEqual({ codes: [], scales: [] });
    const wide = open({ scheme: 'ternary', scales: 'f32' }, 8);
    const largest = 3.4028234663852886e38;
    const scale = Math.fround(largest / 8);
    expect(decoded(wide, [largest, 0, 0, 0, 0, 0, 0, 0])).toEqual([scale, 0, 0, 0, 0, 0, 0, 0]);
    expect(() => open({ scheme: 'ternary', scales: 'f32' }, 1).encode(Float32Array.of(largest))).toThrow(
      refused('QUANTIZE_VALUE'),
    );
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])('refuses %d', (value) => {
    for (const scales of ['f16', 'f32'] as const) {
      const encode = () => open({ scheme: 'ternary', scales }, 3).encode(Float32Array.of(1, 1, 1, 1, value, 1));
      expect(encode).toThrow(`row 1, column 1: ${value} has no code`);
    }
  });

  it('is off by half the scale, or by what is beyond it', () => {
    fc.assert(
      fc.property(fc.array(fc.float({ min: -9, max: 9, noNaN: true }), { minLength: 1, maxLength: 40 }), (rows) => {
        const mean = rows.reduce((sum, value) => sum + Math.abs(value), 0) / rows.length;
        fc.pre(mean > 0.001);
        const values = decoded(open('ternary', rows.length), rows);
        for (const [i, value] of values.entries()) {
          const most = Math.max(mean / 2, Math.abs(rows[i]!) - mean);
          expect(Math.abs(value - rows[i]!)).toBeLessThanOrEqual(most + 0.001 * mean);
        }
      }),
    );
  });

  it('decodes no bytes above 242, and no digits behind the last column', () => {
    const ternary = open('ternary', 5);
    const scale = Uint8Array.of(0, 0x3c);
    expect([...ternary.decode([Uint8Array.of(242), scale])]).toEqual([1, 1, 1, 1, 1]);
    expect(() => ternary.decode([Uint8Array.of(243), scale])).toThrow(refused('QUANTIZE_CODE'));
    expect(() => open('ternary', 2).decode([Uint8Array.of(9), scale])).toThrow(refused('QUANTIZE_CODE'));
    expect(() => ternary.decode([Uint8Array.of(1, 2), scale])).toThrow(refused('QUANTIZE_CODE'));
    expect(() => ternary.decode([Uint8Array.of(1), Uint8Array.of(0, 0xfc)])).toThrow(refused('QUANTIZE_CODE'));
  });

  it('has no other options', () => {
    expect(() => open({ scheme: 'ternary', scales: 'f8' } as never, 2)).toThrow(refused('BAD_OPTION'));
    expect(() => open({ scheme: 'ternary', bits: 2 } as never, 2)).toThrow(refused('UNKNOWN_OPTION'));
  });
});

describe('binary', () => {
  it('keeps a bit for 0 and above, the lowest first, and the mean magnitude', () => {
    const rows = [1, -1, 0, -0, 2, -2, 1, -1, 1, -1];
    const binary = open('binary', 10);
    expect(partsOf(binary, rows)).toEqual({ codes: [0b0101_1101, 0b01], scales: [ONE] });
    expect(decoded(binary, rows)).toEqual([1, -1, 1, 1, 1, -1, 1, -1, 1, -1]);
  });

  it('takes negative subnormal numbers for 0', () => {
    expect(partsOf(open('binary', 4), [-(2 ** -126), -(2 ** -127), -(2 ** -149), 4])['codes']).toEqual([0b1110]);
  });

  it('takes one number and none; zeros have the scale 0', () => {
    expect(partsOf(open('binary', 1), [-1])).toEqual({ codes: [0], scales: [ONE] });
    expect(partsOf(open('binary', 9), [])).toEqual({ codes: [], scales: [] });
    expect(decoded(open('binary', 2), [0, 0])).toEqual([0, 0]);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])('refuses %d', (value) => {
    expect(() => open('binary', 2).encode(Float32Array.of(1, value))).toThrow(`row 0, column 1: ${value} has no code`);
  });

  it('keeps signs', () => {
    fc.assert(
      fc.property(fc.array(fc.float({ min: -9, max: 9, noNaN: true }), { minLength: 1, maxLength: 40 }), (rows) => {
        fc.pre(rows.some((value) => Math.abs(value) > 0.1));
        const values = decoded(open('binary', rows.length), rows);
        for (const [i, value] of values.entries()) expect(value > 0).toBe(rows[i]! > -(2 ** -126));
      }),
    );
  });

  it('decodes no bits behind the last column', () => {
    const scale = Uint8Array.of(0, 0x3c);
    expect(() => open('binary', 3).decode([Uint8Array.of(8), scale])).toThrow(refused('QUANTIZE_CODE'));
    expect(() => open('binary', 3).decode([Uint8Array.of(7)])).toThrow(refused('QUANTIZE_CODE'));
  });
});
