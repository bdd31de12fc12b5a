import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Gpu } from '../../src/gpu/index.ts';
import { anglesOf, turnKeys } from '../../src/kernels/index.ts';
import { runKernel } from '../../src/kernels/runKernel.ts';
import { turnedKeysOf } from '../../src/kernels/turnKeys/cpu.ts';
import { RopeTable } from '../../src/model/rope.ts';
import { testGpu } from '../support/gpu.ts';
import { conforms, normals } from './conformance.ts';

function turnCase(slots: readonly number[], ringRows: number, kvHeads: number, headDim: number) {
  const ring = 2 * ringRows * kvHeads * headDim;
  const turns = normals((slots.length * headDim) / 2, 3, 2);
  const given = {
    carried: normals(4 * ring, headDim, 2),
    slots: Uint32Array.from(slots),
    angles: anglesOf(turns.map(Math.cos), turns.map(Math.sin)),
  };
  const sizes = { slots: slots.length, ringRows, kvHeads, headDim };
  return {
    name: `slots ${slots} of ${ringRows} rows of ${kvHeads} heads of ${headDim}`,
    sizes,
    buffers: given,
    expected: { carried: { values: turnedKeysOf({ ...sizes, ...given }), absolute: 2e-6 } },
  };
}

conforms(turnKeys, [
  turnCase([0], 1, 1, 2),
  turnCase([3, 1], 5, 2, 6),
  turnCase([2], 23, 3, 16),
  turnCase([1, 0, 3], 9, 2, 64),
]);

describe('keys that are turned back on the GPU', () => {
  let gpu: Gpu;
  beforeAll(async () => {
    gpu = await testGpu();
  });
  afterAll(() => gpu.close());

  it('are those that the table of rotary positions turns back', async () => {
    const [headDim, ringRows, positions] = [16, 12, 7000];
    const keys = normals(ringRows * headDim);
    const expected = keys.slice();
    new RopeTable(headDim, 10_000).turnBack([expected], positions);
    const angles = Array.from({ length: headDim / 2 }, (_, k) => {
      return positions * Math.fround(1 / Math.fround(10_000 ** Math.fround((2 * k) / headDim)));
    });
    const { carried } = await runKernel(
      gpu,
      turnKeys,
      { slots: 1, ringRows, kvHeads: 1, headDim },
      {
        carried: Float32Array.of(...keys, ...keys),
        slots: Uint32Array.of(0),
        angles: anglesOf(angles.map(Math.cos), angles.map(Math.sin)),
      },
    );
    for (const [i, value] of expected.entries()) expect(Math.abs(carried[i]! - value)).toBeLessThan(2e-6);
    expect(carried.slice(keys.length)).toEqual(keys);
  });
});
