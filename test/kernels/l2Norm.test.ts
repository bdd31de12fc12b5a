import { describe, expect, it } from 'vitest';
import { l2Norm } from '../../src/kernels/index.ts';
import { l2NormOfRows } from '../../src/kernels/l2Norm/cpu.ts';
import { runKernel } from '../../src/kernels/runKernel.ts';
import { testGpu } from '../support/gpu.ts';
import { conforms, normals } from './conformance.ts';

const shapes: [rows: number, columns: number][] = [
  [1, 1],
  [1, 768],
  [9, 7],
  [70, 260],
  [5, 1030],
];

conforms(
  l2Norm,
  shapes.map(([rows, columns]) => {
    const states = normals(rows * columns, columns, 5);
    // a row of zeros, and one so long that its square is nearly too large
    if (rows > 2) {
      states.fill(0, columns, 2 * columns);
      for (let i = 2 * columns; i < 3 * columns; i++) states[i]! *= 1e17;
    }
    return {
      name: `${rows} rows of ${columns}`,
      sizes: { rows, columns },
      buffers: { states, norms: new Float32Array(rows) },
      expected: { norms: { values: l2NormOfRows(states, columns), relative: 2e-6 } },
    };
  }),
);

describe('rows of l2_norm', () => {
  it('have the same bits in any company', async () => {
    const gpu = await testGpu();
    const states = normals(70 * 260, 3);
    const norms = async (rows: number): Promise<Uint32Array> => {
      const buffers = { states: states.slice(0, rows * 260), norms: new Float32Array(rows) };
      const found = await runKernel(gpu, l2Norm, { rows, columns: 260 }, buffers);
      return new Uint32Array(found.norms.buffer);
    };
    const all = await norms(70);
    for (const rows of [1, 5, 64, 65]) expect(await norms(rows)).toEqual(all.subarray(0, rows));
    gpu.close();
  });
});
