import { describe, expect, it } from 'vitest';
import { meanPool } from '../../src/kernels/index.ts';
import { meanPoolOfRuns } from '../../src/kernels/meanPool/cpu.ts';
import { runKernel } from '../../src/kernels/runKernel.ts';
import { testGpu } from '../support/gpu.ts';
import { conforms, normals } from './conformance.ts';

/** Runs that follow each other, one that overlaps, an empty one, and some that reach or lie past the last row. */
function runsOf(rows: number): { starts: Uint32Array; lengths: Uint32Array } {
  const runs: [start: number, length: number][] = [[0, rows]];
  for (let start = 0, length = 1; start < rows; start += length, length = (length % 5) + 1) {
    runs.push([start, Math.min(length, rows - start)]);
  }
  runs.push([0, 0], [rows - 1, 3], [rows, 1], [rows + 5, 2 ** 32 - 1]);
  return {
    starts: Uint32Array.from(runs, ([start]) => start),
    lengths: Uint32Array.from(runs, ([, length]) => length),
  };
}

conforms(
  meanPool,
  [
    [1, 1],
    [9, 7],
    [40, 260],
    [1030, 4],
  ].map(([rows = 0, columns = 0]) => {
    const states = normals(rows * columns, columns);
    const { starts, lengths } = runsOf(rows);
    const patches = starts.length;
    return {
      name: `${patches} runs of ${rows} rows of ${columns}`,
      sizes: { rows, columns, patches },
      buffers: { states, starts, lengths, means: new Float32Array(patches * columns).fill(Number.NaN) },
      expected: { means: { values: meanPoolOfRuns(states, columns, starts, lengths), absolute: 2e-6 } },
    };
  }),
);

describe('means of mean_pool', () => {
  it('have the same bits wherever the run lies and whatever runs there are', async () => {
    const gpu = await testGpu();
    const [columns, length] = [8, 9];
    const run = normals(length * columns, 5);
    const means = async (before: number, patches: number): Promise<Uint32Array> => {
      const rows = before + length;
      const states = normals(rows * columns, 6);
      states.set(run, before * columns);
      const starts = new Uint32Array(patches).fill(0);
      const lengths = new Uint32Array(patches).fill(before);
      [starts[patches - 1], lengths[patches - 1]] = [before, length];
      const buffers = { states, starts, lengths, means: new Float32Array(patches * columns) };
      const found = await runKernel(gpu, meanPool, { rows, columns, patches }, buffers);
      return new Uint32Array(found.means.buffer).slice(-columns);
    };
    const alone = await means(0, 1);
    for (const [before, patches] of [
      [1, 2],
      [30, 3],
      [5, 70],
    ] as const) {
      expect(await means(before, patches)).toEqual(alone);
    }
    gpu.close();
  });
});
