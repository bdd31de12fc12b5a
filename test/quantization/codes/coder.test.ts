import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { linearCoder } from '../../../src/quantization/codes/coder.ts';
import { plainDecode, plainEncode } from './plain.ts';
import { choices, kinds, specOf } from './specs.ts';

const numbers = fc.oneof(
  fc.float({ noNaN: true, noDefaultInfinity: true }),
  fc.float({ noNaN: true, noDefaultInfinity: true, min: -8, max: 8 }),
  fc.constantFrom(0, -0, 0.5, 1.5, -2.5, 127, 2 ** -126, 2 ** -149, -(2 ** -140), 3.4028234663852886e38, 1e-30),
);

const specs = fc
  .record({
    columns: fc.integer({ min: 1, max: 70 }),
    block: fc.constantFrom(16, 24, 32, 64),
    bits: fc.integer({ min: 1, max: 16 }),
    rounding: fc.constantFrom('even' as const, 'away' as const),
    half: fc.boolean(),
    zero: fc.integer({ min: -128, max: 127 }),
    inverse: fc.constantFrom(0, 1, 0.25, 1000, Math.fround(1 / 3)),
    kind: fc.constantFrom(...kinds),
  })
  .map(specOf);

const cases = specs.chain((spec) =>
  fc
    .array(fc.oneof(numbers, fc.float({ noNaN: true, noDefaultInfinity: true, min: -300, max: 300 })), {
      minLength: 0,
      maxLength: 5,
    })
    .chain((some) =>
      fc.tuple(fc.constant(spec), fc.integer({ min: 0, max: 9 }), fc.constant(some), fc.boolean(), fc.nat()),
    )
    .map(([of, rows, some, isTame, seed]) => ({ spec: of, rows: rowsOf(of.form.columns, rows, some, isTame, seed) })),
);

/** Rows of numbers near 1 with some others strewn in. */
function rowsOf(columns: number, rows: number, some: readonly number[], isTame: boolean, seed: number): Float32Array {
  const values = Float32Array.from({ length: rows * columns }, (_, i) => Math.sin((i + 1) * (seed % 1000)) * 2);
  if (!isTame) for (const [i, value] of some.entries()) values[(i * 7919 + seed) % Math.max(1, values.length)] = value;
  return values;
}

describe('linear codes in WebAssembly', () => {
  it('are those of plain loops, and so are their values, bit for bit', () => {
    fc.assert(
      fc.property(cases, ({ spec, rows }) => {
        const coder = linearCoder(spec);
        const expected = plainEncode(spec, rows);
        if (expected === undefined) {
          expect(() => coder.encode(rows)).toThrow('can hold');
          return;
        }
        const encoded = coder.encode(rows);
        expect(encoded).toEqual(expected);
        expect(coder.decode(encoded)).toEqual(plainDecode(spec, expected));
      }),
      { numRuns: 3000 },
    );
  });

  it.each(kinds)('%s: rows of any length, few or many, go through the window in pieces', (kind) => {
    for (const [columns, count] of [
      [1, 5000],
      [7, 2500],
      [100, 333],
      [16_384, 2],
      [16_385, 2],
      [40_003, 2],
    ] as const) {
      for (const bits of kind.startsWith('variable') ? [3, 4, 8, 11, 16] : [4]) {
        const spec = specOf({ ...choices, kind, columns, bits, half: columns > 1 });
        const rows = Float32Array.from({ length: columns * count }, (_, i) => 1 + ((i * 7919) % 10_007) / 5000 - 1.5);
        const coder = linearCoder(spec);
        const expected = plainEncode(spec, rows) ?? [];
        const encoded = coder.encode(rows);
        expect(encoded.length).toBe(coder.parts.length);
        for (const [i, part] of encoded.entries())
          expect(Buffer.compare(part, expected[i] ?? part.subarray(1))).toBe(0);
        const values = Buffer.from(coder.decode(encoded).buffer);
        expect(values.equals(new Uint8Array(plainDecode(spec, expected).buffer))).toBe(true);
        if (coder.fixed === undefined) expect(coder.groupsOf(rows).parts).toEqual(encoded.slice(1));
      }
    }
  });

  it('are the same for a row alone and in any company', () => {
    fc.assert(
      fc.property(cases, ({ spec, rows }) => {
        const { columns } = spec.form;
        const coder = linearCoder(spec);
        if (plainEncode(spec, rows) === undefined) return;
        const together = coder.encode(rows);
        for (let row = 0; row < rows.length / columns; row++) {
          const alone = coder.encode(rows.subarray(row * columns, (row + 1) * columns));
          for (const [i, { rowBytes }] of coder.parts.entries()) {
            expect(together[i]?.subarray(row * rowBytes, (row + 1) * rowBytes)).toEqual(alone[i]);
          }
        }
      }),
    );
  });

  it('have the groups that follow from extremes that a device found, which takes subnormal numbers for zeros', () => {
    fc.assert(
      fc.property(cases, ({ spec, rows }) => {
        const { form } = spec;
        fc.pre((form.from === 'magnitude' || form.from === 'extremes') && plainEncode(spec, rows) !== undefined);
        const coder = linearCoder(spec);
        const flushed = rows.map((value) => (Math.abs(value) < 2 ** -126 ? 0 : value));
        const most: number[] = [];
        const least: number[] = [];
        for (let row = 0; row < rows.length; row += form.columns) {
          for (let column = 0; column < form.columns; column += form.block) {
            const end = Math.min(column + form.block, form.columns);
            const values = flushed.subarray(row + column, row + end);
            most.push(Math.max(...(form.from === 'magnitude' ? values.map(Math.abs) : values)));
            least.push(Math.min(...values));
          }
        }
        const found = { most: Float32Array.from(most), least: Float32Array.from(least) };
        const groups = coder.groupsFrom(found);
        expect(groups).toEqual(coder.groupsOf(rows));
        expect(groups.parts).toEqual(coder.encode(rows).slice(1));
      }),
      { numRuns: 500 },
    );
  });

  it('have no groups from extremes that are not finite, or where extremes do not make them', () => {
    const coder = linearCoder(specOf({ ...choices, kind: 'int4', columns: 70 }));
    const most = Float32Array.of(1, 1, 1, 1, Number.NaN);
    expect(() => coder.groupsFrom({ most })).toThrow(
      expect.objectContaining({ code: 'QUANTIZE_VALUE', message: expect.stringContaining('row 1 ') }),
    );
    const ternary = linearCoder(specOf({ ...choices, kind: 'ternary' }));
    expect(() => ternary.groupsFrom({ most })).toThrow(RangeError);
    const asymmetric = linearCoder(specOf({ ...choices, kind: 'int8 asymmetric' }));
    expect(() => asymmetric.groupsFrom({ most })).toThrow(RangeError);
  });

  it('can be written to memory that is there, of the right length', () => {
    const coder = linearCoder(specOf({ ...choices, kind: 'int8 asymmetric', columns: 3 }));
    const rows = Float32Array.of(1, 2, 3, -4, 5, 6);
    const into = [new Uint8Array(6), new Uint8Array(4), new Uint8Array(2)];
    const encoded = coder.encode(rows, into);
    expect(encoded.every((part, i) => part === into[i])).toBe(true);
    expect(encoded).toEqual(coder.encode(rows));
    const values = new Float32Array(6);
    expect(coder.decode(encoded, values)).toBe(values);
    expect(values).toEqual(coder.decode(encoded));
    expect(() => coder.encode(rows, [new Uint8Array(5)])).toThrow(RangeError);
    expect(() => coder.decode(encoded, new Float32Array(5))).toThrow(RangeError);
    expect(() => coder.encode(rows.subarray(1))).toThrow(RangeError);
  });
});
