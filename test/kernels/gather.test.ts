import { gatherRows } from '../../src/kernels/gather/cpu.ts';
import { gather } from '../../src/kernels/index.ts';
import { conforms, normals } from './conformance.ts';

conforms(
  gather,
  [
    [1, 1, 1],
    [3, 7, 5],
    [300, 12, 260],
    [65, 260, 3],
  ].map(([rows = 0, columns = 0, vocabulary = 0]) => {
    const table = normals(vocabulary * columns, rows);
    const indices = Uint32Array.from({ length: rows }, (_, i) => (7 * i) % vocabulary);
    // the last row of the table, and some that it does not have
    indices[rows - 1] = vocabulary - 1;
    if (rows > 2) indices.set([vocabulary, 2 ** 32 - 1]);
    return {
      name: `${rows} rows of ${columns} out of ${vocabulary}`,
      sizes: { rows, columns, vocabulary },
      buffers: { table, indices, gathered: new Float32Array(rows * columns).fill(Number.NaN) },
      expected: { gathered: { values: gatherRows(table, indices, columns) } },
    };
  }),
);
