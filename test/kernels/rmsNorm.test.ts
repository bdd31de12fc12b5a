import { rmsNorm } from '../../src/kernels/index.ts';
import { rmsNormOfRows } from '../../src/kernels/rmsNorm/cpu.ts';
import { conforms, normals } from './conformance.ts';

/** States with rows of zeros, of tiny and of huge values. */
function states(rows: number, columns: number): Float32Array {
  const values = normals(rows * columns, columns);
  if (rows > 3) {
    for (let i = 0; i < columns; i++) {
      values[columns + i] = 0;
      values[2 * columns + i]! *= 1e-4;
      values[3 * columns + i]! *= 1e15;
    }
  }
  return values;
}

conforms(
  rmsNorm,
  [
    [1, 1],
    [1, 768],
    [9, 7],
    [70, 260],
    [5, 1030],
  ].map(([rows = 0, columns = 0]) => {
    const given = states(rows, columns);
    const weight = normals(columns, 7);
    const epsilon = Math.fround(1e-5);
    return {
      name: `${rows} rows of ${columns}`,
      sizes: { rows, columns, epsilon },
      buffers: { states: given, weight, normed: new Float32Array(rows * columns) },
      expected: { normed: { values: rmsNormOfRows(given, weight, epsilon), relative: 2e-6, absolute: 1e-12 } },
    };
  }),
);
