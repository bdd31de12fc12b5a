import { softmax } from '../../src/kernels/index.ts';
import { softmaxOfRows } from '../../src/kernels/softmax/cpu.ts';
import { conforms, normals } from './conformance.ts';

/** Logits with rows that are flat, far from zero, masked in part, after the first, and throughout. */
function logits(rows: number, columns: number): Float32Array {
  const values = normals(rows * columns, columns, 3);
  const row = (index: number): Float32Array => values.subarray(index * columns, (index + 1) * columns);
  row(0).fill(7);
  if (rows > 4) {
    for (const [i, value] of row(1).entries()) row(1)[i] = value + (i % 2 === 0 ? 300 : -300);
    for (let i = 0; i < columns; i += 2) row(2)[i] = Number.NEGATIVE_INFINITY;
    row(3).fill(Number.NEGATIVE_INFINITY, 1);
    row(4).fill(Number.NEGATIVE_INFINITY);
  }
  return values;
}

conforms(
  softmax,
  [
    [1, 1],
    [5, 7],
    [70, 260],
    [6, 1030],
  ].map(([rows = 0, columns = 0]) => {
    const given = logits(rows, columns);
    return {
      name: `${rows} rows of ${columns}`,
      sizes: { rows, columns },
      buffers: { logits: given, probabilities: new Float32Array(rows * columns) },
      expected: { probabilities: { values: softmaxOfRows(given, columns), relative: 2e-5, absolute: 1e-30 } },
    };
  }),
);
