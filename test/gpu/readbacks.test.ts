import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Gpu, type Memory } from '../../src/gpu/index.ts';
import { testGpu } from '../support/gpu.ts';
import { codeOf, wordsOf } from './kernels.ts';

const MIB = 1 << 20;

let gpu: Gpu;
let source: Memory;
beforeEach(async () => {
  gpu = await testGpu();
  source = gpu.memory.take(32, 'source', true);
  await gpu.uploads.write(
    source.buffer,
    0,
    Uint8Array.from({ length: 32 }, (_, i) => i),
  );
});
afterEach(() => gpu.close());

/** Fails where a promise has settled after everything had its turn. */
async function expectPending(promise: Promise<unknown>): Promise<void> {
  const turn = new Promise((resolve) => setTimeout(() => resolve('pending'), 20));
  expect(await Promise.race([promise, turn])).toBe('pending');
}

describe('a reading', () => {
  it.each([0, 1, 4, 5, 32])('of %i bytes gives these and no more', async (bytes) => {
    const reading = await gpu.readbacks.begin(bytes);
    const commands = gpu.commands();
    commands.read(reading, 0, source, 0, 4 * Math.ceil(bytes / 4));
    await commands.submit();
    expect([...new Uint8Array(await reading.finish())]).toEqual(Array.from({ length: bytes }, (_, i) => i));
  });

  it('has parts from several places', async () => {
    const reading = await gpu.readbacks.begin(12);
    const commands = gpu.commands();
    commands.read(reading, 8, source, 0, 4);
    commands.read(reading, 0, source, 16, 8);
    await commands.submit();
    expect([...new Uint8Array(await reading.finish())]).toEqual([16, 17, 18, 19, 20, 21, 22, 23, 0, 1, 2, 3]);
  });

  it('waits where three others have not ended, in the order of asking', async () => {
    const begun = await Promise.all([1, 2, 3].map(() => gpu.readbacks.begin(4)));
    expect(new Set(begun.map(({ buffer }) => buffer)).size).toBe(3);
    const order: number[] = [];
    const waiting = [0, 1, 2].map(async (i) => {
      const reading = await gpu.readbacks.begin(4);
      order.push(i);
      return reading;
    });
    await expectPending(Promise.race(waiting));
    begun[1]?.abandon();
    const first = await waiting[0];
    await expectPending(Promise.race(waiting.slice(1)));
    await begun[0]?.finish();
    first?.abandon();
    await Promise.all(waiting);
    expect(order).toEqual([0, 1, 2]);
  });

  it('ends once', async () => {
    const [finished, abandoned] = [await gpu.readbacks.begin(4), await gpu.readbacks.begin(4)];
    await finished.finish();
    abandoned.abandon();
    await expect(finished.finish()).rejects.toThrow('A reading is finished or abandoned once.');
    await expect(abandoned.finish()).rejects.toThrow('once');
    expect(() => finished.abandon()).toThrow('once');
    expect(() => abandoned.abandon()).toThrow('once');
    const next = await Promise.all([1, 2, 3].map(() => gpu.readbacks.begin(4)));
    expect(new Set(next.map(({ buffer }) => buffer)).size, 'no buffer is lent to two').toBe(3);
    await expectPending(gpu.readbacks.begin(4).catch(() => undefined));
  });

  it('keeps no large buffer for the next', async () => {
    const large = await gpu.readbacks.begin(40 * MIB);
    expect(large.buffer.size).toBe(40 * MIB);
    await large.finish();
    const abandoned = await gpu.readbacks.begin(40 * MIB);
    abandoned.abandon();
    const next = await Promise.all([1, 2, 3].map(() => gpu.readbacks.begin(4)));
    expect(next.map(({ buffer }) => buffer.size)).toEqual([4 * MIB, 4 * MIB, 4 * MIB]);
  });

  it('that the device has no memory for is refused, and the next goes on', async () => {
    // the null device has 512 MiB
    const checker = await Gpu.open({ adapter: 'null', memoryBytes: 2 ** 40 });
    const size = 128 * MIB;
    const taken = Array.from({ length: 4 }, () => checker.memory.take(size, 'x', true));
    const reading = await checker.readbacks.begin(size);
    const commands = checker.commands();
    commands.read(reading, 0, taken[0]!, 0, 4);
    expect(await codeOf(commands.submit())).toBe('GPU_MEMORY');
    expect(await codeOf(reading.finish())).toBe('GPU_MEMORY');
    for (const { free } of taken) free();
    const next = await Promise.all([1, 2, 3].map(() => checker.readbacks.begin(4)));
    expect(await Promise.all(next.map((each) => codeOf(each.finish())))).toEqual(Array(3).fill('no error'));
    expect(checker.lost).toBeUndefined();
    checker.close();
  });

  it.each([-1, Number.NaN, 0.5 + 2 ** 52, 2 ** 50])('of %d bytes is refused, and takes no turn', async (bytes) => {
    const code = codeOf(gpu.readbacks.begin(bytes));
    expect(await code).toBe('GPU_MEMORY');
    expect((await Promise.all([1, 2, 3].map(() => gpu.readbacks.begin(4)))).length).toBe(3);
  });

  it('whose work was refused still ends, and the next goes on', async () => {
    for (let i = 0; i < 5; i++) {
      const reading = await gpu.readbacks.begin(4);
      const commands = gpu.commands();
      commands.read(reading, 0, source, 0, 2 ** 30);
      expect(await codeOf(commands.submit())).toBe('GPU_INVALID');
      reading.abandon();
    }
    expect([...(await wordsOf(gpu, source))][0]).toBe(0x03020100);
  });

  it('on a lost device ends, also where it waits for a turn that never comes', async () => {
    const begun = await Promise.all([1, 2, 3].map(() => gpu.readbacks.begin(4)));
    const waiting = Array.from({ length: 5 }, () => codeOf(gpu.readbacks.begin(4)));
    const finishing = codeOf(begun[0]!.finish());
    gpu.device.destroy();
    expect(await Promise.all(waiting)).toEqual(Array(5).fill('DEVICE_LOST'));
    expect(await finishing).toBe('DEVICE_LOST');
    expect(await codeOf(begun[1]!.finish())).toBe('DEVICE_LOST');
    expect(await codeOf(gpu.readbacks.begin(4))).toBe('DEVICE_LOST');
    begun[2]!.abandon();
  });
});
