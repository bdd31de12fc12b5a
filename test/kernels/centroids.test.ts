import { nearestOf } from '../../src/kernels/centroids/cpu.ts';
import { centroidsOf, nearestCentroids } from '../../src/kernels/index.ts';
import { conforms, normals } from './conformance.ts';

const bitsOf = (values: Float32Array): Uint32Array => new Uint32Array(values.slice().buffer);

const SHAPES = [
  [1, 1, 1],
  [9, 8, 4],
  [23, 12, 3],
  [70, 32, 8],
  [5, 10, 10],
] as const;

conforms(
  nearestCentroids,
  SHAPES.map(([rows, columns, dims]) => {
    const codebooks = normals(256 * columns, columns);
    // the same centroid twice, zeros, and rows that are centroids
    codebooks.copyWithin(7 * dims, 3 * dims, 4 * dims);
    codebooks.fill(0, 9 * dims, 10 * dims);
    const input = normals(rows * columns, rows + 1);
    input.set(codebooks.subarray(7 * dims, 8 * dims));
    const codes = nearestOf(input, codebooks, columns, dims);
    if (rows > 8) {
      const odd = [Number.NaN, 2 ** -149, -(2 ** -64), 2 ** 50, Number.NEGATIVE_INFINITY];
      for (const [i, value] of odd.entries()) {
        const part = (i + 1) * (columns / dims) + (i % (columns / dims));
        input[part * dims + (i % dims)] = value;
        codes[part] = 256;
      }
    }
    return {
      name: `${rows} rows of ${columns} in parts of ${dims}`,
      sizes: { rows, columns, dims, nothing: 0 },
      buffers: { input: bitsOf(input), codebooks, codes: new Uint32Array(codes.length) },
      expected: { codes: { values: codes } },
    };
  }),
);

conforms(
  centroidsOf,
  SHAPES.map(([rows, columns, dims]) => {
    const codebooks = normals(256 * columns, columns);
    codebooks.set([2 ** -149, -0]);
    const parts = columns / dims;
    const codes = Uint8Array.from({ length: rows * parts }, (_, i) => (i * 97) & 255);
    const values = new Float32Array(rows * columns);
    for (const [i, code] of codes.entries()) {
      const from = ((i % parts) * 256 + code) * dims;
      values.set(codebooks.subarray(from, from + dims), i * dims);
    }
    return {
      name: `${rows} rows of ${columns} in parts of ${dims}`,
      sizes: { rows, columns, dims },
      buffers: { codes, codebooks: bitsOf(codebooks), values: new Uint32Array(values.length) },
      expected: { values: { values: bitsOf(values) } },
    };
  }),
);
