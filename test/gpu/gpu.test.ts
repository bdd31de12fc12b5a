import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Gpu, type Memory } from '../../src/gpu/index.ts';
import type { Kernel } from '../../src/kernels/kernel.ts';
import { testGpu } from '../support/gpu.ts';
import { codeOf, scaleAndAdd, wordsOf } from './kernels.ts';

const MIB = 1 << 20;

let gpu: Gpu;
let data: Memory;
beforeEach(async () => {
  gpu = await testGpu({ profile: true });
  data = gpu.memory.take(32 * MIB, 'data');
});
afterEach(() => gpu.close());

/** A dispatch that takes a while. */
async function submitWork(): Promise<void> {
  const sizes = { count: 60_000, factor: 3, term: 1 };
  const program = await gpu.programs.get(scaleAndAdd, sizes);
  const commands = gpu.commands();
  for (let i = 0; i < 5; i++) commands.dispatch(program, { data }, sizes);
  await commands.submit();
}

/** Everything that can be waited for, begun and not yet done. */
async function waitForAll(): Promise<Promise<string>[]> {
  const other: Kernel<'count' | 'factor' | 'term', 'data'> = { ...scaleAndAdd, name: 'other' };
  const readings = await Promise.all([1, 2, 3].map(() => gpu.readbacks.begin(32 * MIB)));
  await submitWork();
  const commands = gpu.commands();
  commands.read(readings[0]!, 0, data, 0, 32 * MIB);
  return [
    commands.submit(),
    readings[0]!.finish(),
    gpu.done(),
    gpu.uploads.write(data.buffer, 0, new Uint8Array(32 * MIB)),
    gpu.uploads.write(data.buffer, 0, new Uint8Array(32 * MIB)),
    ...Array.from({ length: 200 }, () => gpu.uploads.write(data.buffer, 0, new Uint8Array(64 << 10))),
    gpu.readbacks.begin(4),
    gpu.programs.get(other, { count: 1, factor: 1, term: 1 }),
    gpu.orLost(new Promise(() => undefined)),
  ].map(codeOf);
}

describe('a device', () => {
  it.each([
    ['is destroyed', () => gpu.device.destroy(), 'it was closed'],
    ['is closed', () => gpu.close(), 'it was closed'],
    [
      'refuses work that nobody waits for',
      () => gpu.device.queue.writeBuffer(data.buffer, 2 ** 40, new Uint8Array(4)),
      'it refused work that nobody waits for: Write range',
    ],
  ])('that %s frees everybody who waits', async (_, end, reason) => {
    const waiting = await waitForAll();
    end();
    const codes = await Promise.all(waiting);
    expect(codes).toEqual(Array(waiting.length).fill('DEVICE_LOST'));
    expect(gpu.lost?.message).toContain(`${gpu.info.name} was lost: ${reason}`);
    expect(gpu.lost?.hint).toContain('Open it again');
    await gpu.profile?.times();
  });

  it.each([
    ['was destroyed', () => gpu.device.destroy()],
    ['was closed', () => gpu.close()],
    ['refused work that nobody waits for', () => gpu.device.createBuffer({ size: 4, usage: 0 })],
  ])('that %s refuses everything', async (_, end) => {
    const reading = await gpu.readbacks.begin(4);
    const commands = gpu.commands();
    commands.read(reading, 0, data, 0, 4);
    end();
    await gpu.device.lost;
    const uses = [
      commands.submit(),
      gpu.commands().submit(),
      reading.finish(),
      gpu.done(),
      gpu.uploads.write(data.buffer, 0, new Uint8Array(4)),
      gpu.uploads.write(data.buffer, 0, new Uint8Array(MIB)),
      gpu.readbacks.begin(4),
      gpu.programs.get(scaleAndAdd, { count: 1, factor: 1, term: 1 }),
      gpu.orLost(Promise.reject(new Error('what follows from it'))),
    ];
    expect(await Promise.all(uses.map(codeOf))).toEqual(Array(uses.length).fill('DEVICE_LOST'));
    expect(() => gpu.memory.take(4, 'x')).toThrow(expect.objectContaining({ code: 'DEVICE_LOST' }));
    data.free();
  });

  it('keeps the first reason', async () => {
    gpu.device.queue.writeBuffer(data.buffer, 2 ** 40, new Uint8Array(4));
    gpu.close();
    await gpu.device.lost;
    expect(gpu.lost?.message).toContain('Write range');
  });

  it('may be closed twice, and takes no other along', async () => {
    const other = await testGpu();
    gpu.close();
    gpu.close();
    const memory = other.memory.take(4, 'x');
    await other.uploads.write(memory.buffer, 0, Uint8Array.of(1, 0, 0, 0));
    expect([...(await wordsOf(other, memory))]).toEqual([1]);
    other.close();
    expect(await codeOf(other.done())).toBe('DEVICE_LOST');
  });

  it('opens again after it was lost', async () => {
    gpu.device.destroy();
    expect(await codeOf(gpu.done())).toBe('DEVICE_LOST');
    gpu = await testGpu();
    data = gpu.memory.take(1024, 'data');
    expect(await codeOf(gpu.uploads.write(data.buffer, 0, new Uint8Array(4)))).toBe('no error');
  });

  it('passes on what is awaited, and errors that are not its own', async () => {
    expect(await gpu.orLost(Promise.resolve(3))).toBe(3);
    await expect(gpu.orLost(Promise.reject(new Error('mine')))).rejects.toThrow('mine');
    expect(gpu.lost).toBeUndefined();
  });

  it('keeps nobody in mind who no longer waits', async () => {
    const waits = Array.from({ length: 100 }, (_, i) => gpu.orLost(i % 2 ? Promise.resolve() : Promise.reject(i)));
    await Promise.allSettled(waits);
    gpu.close();
    expect((await Promise.allSettled(waits)).filter(({ status }) => status === 'fulfilled').length).toBe(50);
  });

  it('takes options of Dawn', async () => {
    const given = await Gpu.open({ adapter: 'null', dawn: ['enable-dawn-features=skip_validation'] });
    const commands = given.commands();
    const memory = given.memory.take(4, 'x', true);
    commands.copy(memory, 0, memory, 0, 4);
    expect(await codeOf(commands.submit())).toBe('no error');
    given.close();
  });
});
