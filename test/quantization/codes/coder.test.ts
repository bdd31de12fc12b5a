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
});
