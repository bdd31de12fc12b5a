import { entropyOfRows } from '../../src/kernels/entropy/cpu.ts';
import { entropy } from '../../src/kernels/index.ts';
import { conforms, normals } from './conformance.ts';

/** Logits with rows that are flat, sure, and far from zero. */
function logits(rows: number, columns: number): Float32Array {
  const values = normals(rows * columns, columns, 3);
  values.fill(7, 0, columns);
  if (rows > 2) {
    values[columns] = 90;
    for (let i = 2 * columns; i < 3 * columns; i++) values[i]! += i % 2 === 0 ? 300 : -300;
  }
  return values;
}

conforms(
  entropy,
  [
    [1, 1],
    [3, 7],
    [70, 260],
    [5, 1030],
  ].map(([rows = 0, columns = 0]) => {
    const given = logits(rows, columns);
    return {
      name: `${rows} rows of ${columns}`,
      sizes: { rows, columns },
      buffers: { logits: given, entropies: new Float32Array(rows) },
      expected: { entropies: { values: entropyOfRows(given, columns), absolute: 5e-6 } },
    };
  }),
);
