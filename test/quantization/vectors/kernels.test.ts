import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Codebooks } from '../../../src/quantization/vectors/codebooks.ts';
import { LinearMap } from '../../../src/quantization/vectors/linearMap.ts';
import { transposed } from '../../../src/quantization/vectors/memory.ts';
import { matrix, Products, transpose } from '../../../src/quantization/vectors/products.ts';
import { ResidualMap } from '../../../src/quantization/vectors/residualMap.ts';
import { floats } from './arbitrary.ts';
import { plainLinear, plainNearest, plainProduct } from './plain.ts';

const bits = (values: Float32Array): Uint32Array => new Uint32Array(values.slice().buffer);
const fround = Math.fround;

describe('products of matrices', () => {
  it('are those of plain loops, bit for bit', () => {
    const shape = fc.record({
      rows: fc.integer({ min: 0, max: 9 }),
      others: fc.integer({ min: 1, max: 37 }),
      columns: fc.integer({ min: 1, max: 21 }),
    });
    const products = new Products();
    const given = shape.chain(({ rows, others, columns }) =>
      fc.tuple(fc.constant({ rows, others, columns }), floats(rows * columns), floats(others * columns)),
    );
    fc.assert(
      fc.property(given, ([{ rows, others, columns }, a, b]) => {
        const product = products.ofRows(matrix(rows, columns, a), matrix(others, columns, b));
        expect([product.rows, product.columns]).toEqual([rows, others]);
        expect(bits(product.values)).toEqual(bits(plainProduct(a, b, columns)));
      }),
      { numRuns: 60 },
    );
  });

  it('sum in order of the columns', () => {
    // 2^24 swallows a 1 that comes after it, and two that came together before it do count
    const rows = matrix(1, 3, Float32Array.of(2 ** 24, 1, 1));
    const ones = matrix(1, 3, Float32Array.of(1, 1, 1));
    expect([...new Products().ofRows(rows, ones).values]).toEqual([2 ** 24]);
    const turned = matrix(1, 3, Float32Array.of(1, 1, 2 ** 24));
    expect([...new Products().ofRows(turned, ones).values]).toEqual([2 ** 24 + 2]);
  });

  it('know transposes', () => {
    expect(transpose(matrix(2, 3, Float32Array.of(1, 2, 3, 4, 5, 6)))).toEqual(
      matrix(3, 2, Float32Array.of(1, 4, 2, 5, 3, 6)),
    );
  });
});

describe('a linear map', () => {
  const given = fc
    .record({
      rows: fc.integer({ min: 0, max: 8 }),
      inputs: fc.integer({ min: 1, max: 19 }),
      outputs: fc.integer({ min: 1, max: 35 }),
    })
    .chain(({ rows, inputs, outputs }) =>
      fc.tuple(floats(rows * inputs), floats(outputs * inputs), floats(inputs), floats(outputs)),
    );

  it('is that of plain loops in float64, bit for bit', () => {
    fc.assert(
      fc.property(given, ([rows, values, centre, shift]) => {
        const map = new LinearMap({ matrix: values, centre, shift }, centre.length);
        expect(bits(map.apply(rows))).toEqual(bits(plainLinear(rows, values, centre, shift)));
      }),
      { numRuns: 60 },
    );
  });

  it('gives a row the same bits in any company, also across chunks', () => {
    const rows = Float32Array.from({ length: 1500 * 7 }, (_, i) => ((i * 7919) % 1009) / 31);
    const map = new LinearMap({ matrix: Float32Array.from({ length: 35 }, (_, i) => i / 3 - 5) }, 7);
    const all = map.apply(rows);
    for (const row of [0, 1, 2, 728, 777, 1499]) {
      expect(bits(map.apply(rows.subarray(row * 7, (row + 1) * 7)))).toEqual(
        bits(all.subarray(row * 5, (row + 1) * 5)),
      );
    }
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])('refuses %s, naming its place', (bad) => {
    const rows = new Float32Array(2000 * 7);
    rows[1234 * 7 + 3] = bad;
    const weights = { matrix: new Float32Array(35) };
    const failure = expect.objectContaining({
      code: 'QUANTIZE_VALUE',
      message: expect.stringContaining('row 1234, column 3'),
    });
    expect(() => new LinearMap(weights, 7).apply(rows)).toThrow(failure);
    expect(() => new ResidualMap(weights, 7).apply(rows)).toThrow(failure);
    expect(() => new Codebooks(7, 16, 1).nearest(rows)).toThrow(failure);
  });
});

describe('a map with a branch of hidden units', () => {
  it('is that of plain loops, bit for bit', () => {
    const given = fc
      .record({
        rows: fc.integer({ min: 1, max: 8 }),
        inputs: fc.integer({ min: 1, max: 13 }),
        units: fc.integer({ min: 1, max: 18 }),
        outputs: fc.integer({ min: 1, max: 18 }),
      })
      .chain(({ rows, inputs, units, outputs }) =>
        fc.record({
          rows: floats(rows * inputs),
          matrix: floats(outputs * inputs),
          centre: floats(inputs),
          shift: floats(outputs),
          hidden: floats(units * inputs),
          bias: floats(units),
          out: floats(outputs * units),
        }),
      );
    fc.assert(
      fc.property(given, ({ rows, matrix: skip, centre, shift, hidden, bias, out }) => {
        const [inputs, outputs] = [centre.length, shift.length];
        const map = new ResidualMap({ matrix: skip, centre, shift, branch: { hidden, bias, out } }, inputs);
        const centred = rows.map((value, i) => value - (centre[i % inputs] ?? 0));
        const units = plainProduct(centred, hidden, inputs).map((sum, i) => {
          return Math.max(0, fround(sum + (bias[i % bias.length] ?? 0)));
        });
        const branch = plainProduct(units, out, bias.length);
        const wanted = plainProduct(centred, skip, inputs).map((sum, i) => {
          return (branch[i] ?? 0) + fround(sum + (shift[i % outputs] ?? 0));
        });
        expect(bits(map.apply(rows))).toEqual(bits(wanted));
      }),
      { numRuns: 60 },
    );
  });
});

describe('nearest centroids', () => {
  const given = fc
    .record({
      books: fc.integer({ min: 1, max: 5 }),
      groups: fc.integer({ min: 1, max: 3 }),
      dims: fc.integer({ min: 1, max: 6 }),
      rows: fc.integer({ min: 0, max: 7 }),
    })
    .chain(({ books, groups, dims, rows }) =>
      fc.tuple(fc.constant({ books, groups, dims }), floats(rows * books * dims), floats(books * 16 * groups * dims)),
    );

  it('are those of plain loops, with every tie', () => {
    fc.assert(
      fc.property(given, ([{ books, groups, dims }, rows, centroids]) => {
        const codebooks = new Codebooks(books, 16 * groups, dims);
        codebooks.place(centroids);
        expect(codebooks.nearest(rows)).toEqual(plainNearest(rows, centroids, books, dims));
      }),
      { numRuns: 100 },
    );
  });

  it('are the first of those at the same distance, wherever they lie among the lanes', () => {
    for (const [first, second] of [
      [0, 255],
      [3, 4],
      [17, 18],
      [5, 240],
      [254, 255],
    ] as const) {
      const centroids = new Float32Array(256).fill(9);
      centroids[first] = 1;
      centroids[second] = 3;
      const codebooks = new Codebooks(1, 256, 1);
      codebooks.place(centroids);
      expect([...codebooks.nearest(Float32Array.of(2, 2, 2, 1, 3))]).toEqual([first, first, first, first, second]);
    }
  });

  it('are the first centroid where every distance overflows', () => {
    const codebooks = new Codebooks(1, 16, 1);
    codebooks.place(new Float32Array(16).fill(-3e38));
    expect([...codebooks.nearest(Float32Array.of(3e38))]).toEqual([0]);
  });
});

it('a transposed matrix has the same values elsewhere', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 5 }), (rows, columns) => {
      const values = Float32Array.from({ length: rows * columns }, (_, i) => i);
      const turned = transposed(values, columns);
      expect(transposed(turned, rows)).toEqual(values);
      expect(turned[rows * (columns - 1)]).toBe(columns - 1);
    }),
  );
});
