import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromF16, halvesFrom, scaleF16, toBF16, toF16 } from '../../../src/kernels/blocks/half.ts';

const finite = Array.from({ length: 0x7c00 }, (_, half) => half);
const float = fc.float({ noDefaultInfinity: true, noNaN: true });

describe('binary16', () => {
  it.each([
    [0x0000, 0],
    [0x8000, -0],
    [0x0001, 2 ** -24],
    [0x03ff, 1023 * 2 ** -24],
    [0x0400, 2 ** -14],
    [0x3555, 0.333251953125],
    [0x3c00, 1],
    [0xc000, -2],
    [0x7bff, 65_504],
    [0x7c00, Number.POSITIVE_INFINITY],
    [0xfc00, Number.NEGATIVE_INFINITY],
    [0x7e00, Number.NaN],
  ])('0x%s is %d', (half, value) => {
    expect(fromF16(half)).toBe(value);
    expect(toF16(value)).toBe(half);
  });

  it('is read at any offset, the low byte first', () => {
    const bytes = Uint8Array.of(0xff, 0x00, 0x3c, 0x00, 0xc0).subarray(1);
    expect([...halvesFrom(bytes)]).toEqual([1, -2]);
  });

  it('comes back from float32 as it was, and rises with its bits', () => {
    let before = -1;
    for (const half of finite) {
      const value = fromF16(half);
      expect(value).toBeGreaterThan(before);
      before = value;
      if (toF16(value) !== half || toF16(-value) !== (half | 0x8000)) expect.fail(`${half}`);
    }
  });

  it('is rounded to even where a value lies in the middle, and to the nearest where not', () => {
    for (const half of finite) {
      const above = half === 0x7bff ? 65_536 : fromF16(half + 1);
      const middle = (fromF16(half) + above) / 2;
      const even = half % 2 === 0 ? half : half + 1;
      const little = (above - fromF16(half)) / 64;
      const found = [middle - little, middle, middle + little].map(toF16);
      if (`${found}` !== `${[half, even, half + 1]}`) expect.fail(`${half} gave ${found}`);
    }
  });

  it('is the nearest there is to any number', () => {
    fc.assert(
      fc.property(fc.float({ min: Math.fround(-65_519), max: Math.fround(65_519) }), (value) => {
        const half = toF16(value) & 0x7fff;
        const off = Math.abs(fromF16(half) - Math.abs(value));
        for (const other of [half - 1, half + 1]) {
          if (other < 0 || other > 0x7bff) continue;
          expect(off).toBeLessThanOrEqual(Math.abs(fromF16(other) - Math.abs(value)));
        }
        expect(toF16(value) >> 15).toBe(Object.is(Math.sign(value), -0) || value < 0 ? 1 : 0);
      }),
    );
  });
});

describe('bfloat16', () => {
  const value = (bits: number): number => new Float32Array(Uint32Array.of(bits << 16).buffer)[0]!;

  it.each([
    [0x3f80, 1],
    [0xc000, -2],
    [0x3eab, 1 / 3],
    [0x7f80, Number.POSITIVE_INFINITY],
    [0x7f80, 3.4e38],
  ])('0x%s is what becomes of %d', (bits, number) => {
    expect(toBF16(number)).toBe(bits);
  });

  it('is the upper half of the nearest float32, half to even', () => {
    fc.assert(
      fc.property(float, (number) => {
        const bits = toBF16(number);
        fc.pre((bits & 0x7fff) < 0x7f80);
        const off = Math.abs(value(bits) - number);
        for (const other of [bits - 1, bits + 1]) {
          const further = Math.abs(value(other & 0xffff) - number);
          if (further < off || (further === off && bits % 2 !== 0 && off > 0)) expect.fail(`${number} as ${bits}`);
        }
      }),
    );
    expect(toBF16(value(0x3f80) + 2 ** -8)).toBe(0x3f80);
    expect(toBF16(value(0x3f81) + 2 ** -8)).toBe(0x3f82);
  });

  it('keeps NaN as NaN, whatever its payload', () => {
    for (const payload of [0x7f80_0001, 0x7fff_ffff, 0xff80_0001]) {
      const nan = new Float32Array(Uint32Array.of(payload).buffer)[0]!;
      expect(value(toBF16(nan))).toBeNaN();
      expect(fromF16(toF16(nan))).toBeNaN();
    }
  });
});

describe('the scale of a block', () => {
  it('reaches the largest value within half a step, even where binary16 is coarse', () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-30, max: 65_000 * 63, noNaN: true }), fc.constantFrom(63, 127), (most, steps) => {
        const scale = fromF16(scaleF16(most, steps));
        expect(scale).toBeGreaterThan(0);
        expect(scale * (steps + 0.5)).toBeGreaterThanOrEqual(most);
      }),
    );
    expect(scaleF16(0, 127)).toBe(0);
  });
});
