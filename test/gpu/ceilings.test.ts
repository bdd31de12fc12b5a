import { afterEach, expect, it } from 'vitest';
import { type Gpu, measureCeilings } from '../../src/gpu/index.ts';
import { testGpu } from '../support/gpu.ts';
import { codeOf } from './kernels.ts';

let gpu: Gpu;
afterEach(() => gpu.close());

it('ceilings are measured soon, and leave nothing behind', async () => {
  gpu = await testGpu({ profile: true });
  const begun = performance.now();
  const { copyBytesPerSecond, flopsPerSecond } = await measureCeilings(gpu);
  expect(performance.now() - begun).toBeLessThan(5000);
  expect(copyBytesPerSecond).toBeGreaterThan(1e6);
  expect(copyBytesPerSecond).toBeLessThan(1e14);
  expect(flopsPerSecond).toBeGreaterThan(1e4);
  expect(flopsPerSecond).toBeLessThan(1e16);
  expect(gpu.memory.counts.held).toBe(0);
  expect(await gpu.profile?.times(), 'they are not counted as work').toEqual([]);
});

it('ceilings are measured on what is left of the memory', async () => {
  gpu = await testGpu({ memoryBytes: 1 << 20 });
  const most = gpu.memory.take((1 << 20) - (300 << 10), 'weights', true);
  expect((await measureCeilings(gpu)).copyBytesPerSecond).toBeGreaterThan(0);
  most.free();
  gpu.memory.take((1 << 20) - 1000, 'weights', true);
  expect(await codeOf(measureCeilings(gpu))).toBe('GPU_MEMORY');
});
