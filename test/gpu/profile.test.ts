import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Gpu, Memory } from '../../src/gpu/index.ts';
import type { Kernel } from '../../src/kernels/kernel.ts';
import { testGpu } from '../support/gpu.ts';
import { codeOf, scaleAndAdd } from './kernels.ts';

let gpu: Gpu;
let data: Memory;
let copied: Memory;
beforeEach(async () => {
  gpu = await testGpu({ profile: true });
  [data, copied] = [gpu.memory.take(4000, 'data'), gpu.memory.take(4, 'copied')];
});
afterEach(() => gpu.close());

const other: Kernel<'count' | 'factor' | 'term', 'data'> = { ...scaleAndAdd, name: 'other' };

/** Dispatches as often, each of so many elements. */
async function run(kernel: typeof other, dispatches: number, count: number): Promise<void> {
  const sizes = { count, factor: 2, term: 1 };
  const program = await gpu.programs.get(kernel, sizes);
  const commands = gpu.commands();
  for (let i = 0; i < dispatches; i++) commands.dispatch(program, { data }, sizes);
  commands.copy(data, 0, copied, 0, 4);
  await commands.submit();
}

const times = async () => (await gpu.profile?.times()) ?? [];

describe('times of kernels', () => {
  it('count dispatches, and what each moves and computes', async () => {
    await run(scaleAndAdd, 3, 100);
    await run(other, 1, 1000);
    await run(scaleAndAdd, 1, 1);
    const found = (await times()).toSorted((a, b) => a.name.localeCompare(b.name));
    expect(found.map(({ seconds: _, ...rest }) => rest)).toEqual([
      { name: 'other.invocation', dispatches: 1, bytes: 8000, flops: 2000 },
      { name: 'scale_and_add.invocation', dispatches: 4, bytes: 2408, flops: 602 },
    ]);
  });

  it('lie within the time that passes, the longest first', async () => {
    const begun = performance.now();
    await run(scaleAndAdd, 2, 100);
    await run(other, 20, 1000);
    const found = await times();
    const passed = (performance.now() - begun) / 1e3;
    expect(found.every(({ seconds }) => seconds > 0)).toBe(true);
    expect(found.reduce((sum, { seconds }) => sum + seconds, 0)).toBeLessThan(passed);
    expect(found.map(({ seconds }) => seconds)).toEqual(found.map(({ seconds }) => seconds).toSorted((a, b) => b - a));
  });

  it.each([256, 257, 700])('are those of all %i dispatches', async (count) => {
    await run(scaleAndAdd, count, 10);
    expect(await times()).toMatchObject([{ dispatches: count, bytes: 80 * count }]);
  });

  it('of lists that are submitted together are kept apart', async () => {
    await Promise.all([run(scaleAndAdd, 5, 10), run(other, 7, 10), run(scaleAndAdd, 5, 10)]);
    const found = new Map((await times()).map(({ name, dispatches }) => [name, dispatches]));
    expect(found).toEqual(
      new Map([
        ['scale_and_add.invocation', 10],
        ['other.invocation', 7],
      ]),
    );
  });

  it('are forgotten on demand', async () => {
    await run(scaleAndAdd, 5, 10);
    await gpu.profile?.reset();
    expect(await times()).toEqual([]);
    await run(scaleAndAdd, 1, 10);
    expect(await times()).toMatchObject([{ dispatches: 1 }]);
  });

  it('are not there for work that was refused, and later work has its own', async () => {
    const sizes = { count: 1, factor: 1, term: 1 };
    const commands = gpu.commands();
    commands.dispatch(await gpu.programs.get(scaleAndAdd, sizes), { data }, sizes);
    commands.copy(data, 0, data, 0, 4);
    expect(await codeOf(commands.submit())).toBe('GPU_INVALID');
    await run(other, 2, 10);
    expect(await times()).toMatchObject([{ name: 'other.invocation', dispatches: 2 }]);
  });

  it('of work that was lost are not waited for', async () => {
    await run(scaleAndAdd, 5, 1000);
    const waiting = times();
    gpu.device.destroy();
    expect(await waiting).toBeInstanceOf(Array);
    await gpu.profile?.reset();
    expect(await times()).toEqual([]);
  });
});
