import { siluGate } from '../../src/kernels/index.ts';
import { siluGateOfRows } from '../../src/kernels/siluGate/cpu.ts';
import { conforms, normals } from './conformance.ts';

/** Gates whose sigmoid is 0, 1, and what float32 cannot tell from them. */
const GATES = [0, -0, 1e-30, 1, -1, 20, -20, 88, -88, 100, -100, 1000, -1000, 1e30];

conforms(
  siluGate,
  [
    [1, 1],
    [3, 7],
    [1, 16],
    [70, 260],
  ].map(([rows = 0, columns = 0]) => {
    const gateUp = normals(2 * rows * columns, columns, 3);
    if (columns >= GATES.length) gateUp.set(GATES);
    return {
      name: `${rows} rows of ${columns}`,
      sizes: { rows, columns },
      buffers: { gateUp, gated: new Float32Array(rows * columns) },
      expected: { gated: { values: siluGateOfRows(gateUp, columns), relative: 2.5e-6, absolute: 1e-30 } },
    };
  }),
);
