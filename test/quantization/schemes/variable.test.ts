import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { quantisedBlocks, quantisedVector } from '../../../src/kernels/quantise/cpu.ts';
import { decoded, learned, open, partsOf } from './open.ts';

const refused = (code: string) => expect.objectContaining({ code });

/** Codes of rows, out of the bit stream of each. */
function codesOf(bytes: readonly number[] | Uint8Array, columns: number, bits: number): number[] {
  const levels = 2 ** (bits - 1) - 1;
  const rowBytes = Math.ceil((columns * bits) / 8);
  return Array.from({ length: (bytes.length / rowBytes) * columns }, (_, at) => {
    const first = 8 * rowBytes * Math.floor(at / columns) + (at % columns) * bits;
    let number = 0;
    for (let bit = first; bit < first + bits; bit++)
      number += ((bytes[bit >> 3]! >> (bit & 7)) & 1) * 2 ** (bit - first);
    return number - levels;
  });
}

describe('variable', () => {
  it('keeps code + levels in a stream of bits, lowest first, rows padded to bytes', () => {
    // 3 bits: levels 3; codes 3, -3, 0, 2: numbers 6, 0, 3, 5
    const variable = open({ scheme: 'variable', bits: 3 }, 4);
    const stream = 6 | (0 << 3) | (3 << 6) | (5 << 9);
    expect(partsOf(variable, [1, -1, 0, 0.7])).toEqual({ codes: [stream & 255, stream >> 8] });
    expect(decoded(variable, [1, -1, 0, 0.7])).toEqual([1, -1, 0, Math.fround(2 / 3)]);
  });

  it('clips what is beyond the range', () => {
    const largest = 3.4028234663852886e38;
    expect(decoded(open('variable', 4), [1.5, -7, largest, -largest])).toEqual([1, -1, 1, -1]);
  });

  it('rounds halves to the even neighbour, or away from zero', () => {
    // 2 bits: one level, so that 0.5 is a half
    expect(decoded(open({ scheme: 'variable', bits: 2 }, 2), [0.5, -0.5])).toEqual([0, 0]);
    expect(decoded(open({ scheme: 'variable', bits: 2, rounding: 'away' }, 2), [0.5, -0.5])).toEqual([1, -1]);
    // the greatest number below a half stays below
    expect(decoded(open({ scheme: 'variable', bits: 2, rounding: 'away' }, 1), [0.49999997])).toEqual([0]);
    const halves = [0.5 / 3, 1.5 / 3, 2.5 / 3].map((value) => Math.fround(value));
    expect(codesOf(partsOf(open({ scheme: 'variable', bits: 3 }, 3), halves)['codes']!, 3, 3)).toEqual(
      halves.map((half) => [...quantisedVector(Float32Array.of(half), 3).codes][0]),
    );
  });

  it('has no level but 0 with one bit', () => {
    expect(partsOf(open({ scheme: 'variable', bits: 1 }, 9), new Array<number>(9).fill(1))['codes']).toEqual([0, 0]);
    expect(decoded(open({ scheme: 'variable', bits: 1 }, 2), [1, -1])).toEqual([0, 0]);
    expect(decoded(open({ scheme: 'variable', bits: 1, range: 'row' }, 2), [1, -1])).toEqual([0, 0]);
  });

  it('gives codes and values of the kernel for vectors, bit for bit', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 16 }),
        fc.array(fc.float({ noNaN: true, noDefaultInfinity: true, min: -1.25, max: 1.25 }), {
          minLength: 1,
          maxLength: 50,
        }),
        (bits, rows) => {
          const variable = open({ scheme: 'variable', bits }, rows.length);
          const expected = quantisedVector(Float32Array.from(rows), bits);
          const encoded = variable.encode(Float32Array.from(rows));
          expect(codesOf(encoded[0]!, rows.length, bits)).toEqual([...expected.codes]);
          // -0 and 0 are the same code
          expect(variable.decode(encoded).map((value) => value + 0)).toEqual(expected.values.map((value) => value + 0));
        },
      ),
    );
  });

  it('gives codes of the kernel for blocks, but next to a half, where it multiplies twice', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 16 }),
        fc.array(fc.float({ noNaN: true, min: -50, max: 50 }), { minLength: 1, maxLength: 50 }),
        (bits, rows) => {
          fc.pre(rows.some((value) => Math.abs(value) > 1e-3));
          const expected = quantisedBlocks(Float32Array.from(rows), rows.length, bits);
          const parts = partsOf(open({ scheme: 'variable', bits, range: 'row' }, rows.length), rows);
          expect(parts['scales']).toEqual([...expected.scales]);
          const levels = 2 ** (bits - 1) - 1;
          for (const [i, code] of codesOf(parts['codes']!, rows.length, bits).entries()) {
            const exact = (rows[i]! / expected.scales[0]!) * levels;
            const isNearHalf = Math.abs(Math.abs(exact - Math.trunc(exact)) - 0.5) < 0.006;
            if (!isNearHalf) expect(code).toBe(expected.codes[i]);
            expect(Math.abs(code - expected.codes[i]!)).toBeLessThanOrEqual(1);
          }
        },
      ),
    );
  });

  it('takes a range that becomes 1', () => {
    const variable = open({ scheme: 'variable', bits: 8, range: 127 }, 4);
    expect(codesOf(partsOf(variable, [5, -127, 300, 1.4])['codes']!, 4, 8)).toEqual([5, -127, 127, 1]);
    expect(decoded(variable, [127, 0, -300, 127])).toEqual([127, 0, -127, 127]);
  });

  it('takes the largest magnitude of each row', () => {
    const variable = open({ scheme: 'variable', bits: 2, range: 'row' }, 2);
    expect(partsOf(variable, [4, -1, 0, 0, -0.5, 0.5])).toEqual({
      codes: [0b0110, 0b0101, 0b1000],
      scales: [4, 0, 0.5],
    });
    expect(decoded(variable, [4, -1, 0, 0, -0.5, 0.5])).toEqual([4, 0, 0, 0, -0.5, 0.5]);
  });

  it('refuses a row whose inverse no float32 holds', () => {
    const variable = open({ scheme: 'variable', bits: 2, range: 'row' }, 1);
    expect(() => variable.encode(Float32Array.of(1, 2 ** 127))).toThrow('row 1 has magnitudes beyond');
    const wide = open({ scheme: 'variable', bits: 4, range: 'row' }, 1);
    expect(decoded(wide, [2 ** 127])).toEqual([2 ** 127]);
  });

  it('learns a range: all of it, a percentile, or the one of least error', () => {
    const rows = [...Array.from({ length: 999 }, (_, i) => (i + 1) / 1000), -4];
    const rangeOf = (options: object) => [
      ...learned({ scheme: 'variable', bits: 4, ...options }, 1, rows).trained.flatMap(({ values }) => [...values]),
    ];
    expect(rangeOf({ range: 'minmax' })).toEqual([4]);
    expect(rangeOf({ range: 'percentile' })).toEqual([Math.fround(0.999)]);
    expect(rangeOf({ range: 'percentile', percentile: 50 })).toEqual([0.5]);
    expect(rangeOf({ range: 'mse' })[0]).toBeLessThan(2);
    const zeros = learned({ scheme: 'variable', range: 'minmax' }, 1, [0, 0]);
    expect(decoded(zeros, [0])).toEqual([0]);
  });

  it('maps an interval to -1..1', () => {
    const variable = open({ scheme: 'variable', bits: 3, interval: [0, 6] }, 5);
    expect(codesOf(partsOf(variable, [0, 6, 3, 4.2, 9])['codes']!, 5, 3)).toEqual([-3, 3, 0, 1, 3]);
    expect(decoded(variable, [0, 6, 3, 4.2, -1])).toEqual([0, 6, 3, 4, 0]);
  });

  it('takes zeros, subnormal numbers, one number and none', () => {
    const variable = open({ scheme: 'variable', bits: 16 }, 2);
    expect(decoded(variable, [-0, 2 ** -149])).toEqual([0, 0]);
    expect(partsOf(open({ scheme: 'variable', bits: 12 }, 1), [1])['codes']).toEqual([0xfe, 0x0f]);
    expect(partsOf(variable, [])).toEqual({ codes: [] });
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])('refuses %d', (value) => {
    for (const range of [1, 'row'] as const) {
      for (const bits of [5, 12]) {
        const encode = () => open({ scheme: 'variable', bits, range }, 2).encode(Float32Array.of(1, 1, 1, value));
        expect(encode).toThrow(
          expect.objectContaining({ code: 'QUANTIZE_VALUE', message: `row 1, column 1: ${value} has no code` }),
        );
      }
    }
  });

  it('is off by half a step at most', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 16 }),
        fc.constantFrom('even' as const, 'away' as const),
        fc.array(fc.float({ min: -1, max: 1, noNaN: true }), { minLength: 1, maxLength: 40 }),
        (bits, rounding, rows) => {
          const values = decoded(open({ scheme: 'variable', bits, rounding }, rows.length), rows);
          const step = 1 / (2 ** (bits - 1) - 1);
          for (const [i, value] of values.entries()) {
            expect(Math.abs(value - rows[i]!)).toBeLessThanOrEqual(step / 2 + 2 ** -22);
          }
        },
      ),
    );
  });

  it('decodes nothing that encoding never gives', () => {
    for (const [bits, columns, codes] of [
      [3, 4, [0xff, 0x0f]],
      [3, 2, [0xc0]],
      [8, 1, [255]],
      [11, 1, [0xff, 0x07]],
      [11, 1, [0, 0x08]],
      [16, 1, [255, 255]],
      [1, 3, [1]],
      [4, 2, [1, 2, 3]],
    ] as const) {
      const variable = open({ scheme: 'variable', bits }, columns);
      const parts = bits === 4 ? [Uint8Array.from(codes), new Uint8Array()] : [Uint8Array.from(codes)];
      expect(() => variable.decode(parts), `${bits} bits`).toThrow(refused('QUANTIZE_CODE'));
    }
  });

  it.each([
    [{ bits: 0 }],
    [{ bits: 17 }],
    [{ bits: 2.5 }],
    [{ rounding: 'up' }],
    [{ range: 0 }],
    [{ range: -1 }],
    [{ range: Number.NaN }],
    [{ range: 'column' }],
    [{ percentile: 50 }],
    [{ interval: [1, 1] }],
    [{ interval: [0] }],
    [{ interval: [0, 1], range: 2 }],
  ])('has no %j', (options) => {
    expect(() => open({ scheme: 'variable', ...(options as object) }, 2)).toThrow(refused('BAD_OPTION'));
  });
});
