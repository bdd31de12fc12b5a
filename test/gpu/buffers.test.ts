import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { Gpu, type Memory } from '../../src/gpu/index.ts';
import { codeOf } from './kernels.ts';

let gpu: Gpu;
/** The null device: nothing is computed, and everything is checked. */
async function pool(memoryBytes: number) {
  gpu = await Gpu.open({ adapter: 'null', memoryBytes });
  return gpu.memory;
}
afterEach(() => gpu.close());

describe('memory on the device', () => {
  it('comes in few sizes, so that it can be used again', async () => {
    const memory = await pool(1 << 20);
    const sizes = [0, 1, 256, 257, 384, 385, 512, 700, 769, 1000, 1537, 3073].map((bytes) => {
      const taken = memory.take(bytes, 'x');
      expect(taken.bytes).toBe(bytes);
      return taken.buffer.size;
    });
    expect(sizes).toEqual([256, 256, 256, 384, 384, 512, 512, 768, 1024, 1024, 2048, 4096]);
    expect(memory.counts.held).toBe(sizes.reduce((a, b) => a + b));
  });

  it('that stays takes no more bytes than whole words', async () => {
    const memory = await pool(1 << 20);
    expect([0, 1, 1000, 1001].map((bytes) => memory.take(bytes, 'weights', true).buffer.size)).toEqual([
      4, 4, 1000, 1004,
    ]);
    expect(memory.counts.held).toBe(2012);
  });

  it('that was freed is lent again, unless it was to stay', async () => {
    const memory = await pool(1 << 20);
    const [first, stays] = [memory.take(1000, 'first'), memory.take(1024, 'weights', true)];
    first.free();
    expect(memory.counts).toMatchObject({ held: 1024, spare: 1024 });
    expect(memory.take(900, 'second').buffer).toBe(first.buffer);
    stays.free();
    expect(memory.counts).toEqual({ held: 1024, spare: 0, peak: 2048, budget: 1 << 20 });
  });

  it('is freed once', async () => {
    const memory = await pool(1 << 20);
    const taken = memory.take(10, 'logits');
    taken.free();
    expect(() => taken.free()).toThrow('The memory logits was freed twice.');
    expect(memory.counts).toMatchObject({ held: 0, spare: 256 });
  });

  it('within the budget makes room by giving up what nobody holds, the largest first', async () => {
    const memory = await pool(4096);
    const [small, large] = [memory.take(1024, 'small'), memory.take(2048, 'large')];
    small.free();
    large.free();
    memory.take(1536, 'middle');
    expect(memory.counts).toMatchObject({ held: 1536, spare: 1024 });
    expect(memory.take(1024, 'again').buffer).toBe(small.buffer);
  });

  it('beyond the budget is refused, saying what is in use', async () => {
    const memory = await pool(4096);
    memory.take(2048, 'keys');
    expect(() => memory.take(2049, 'scores')).toThrow(
      expect.objectContaining({
        code: 'GPU_MEMORY',
        message: "scores takes 3072 bytes, and 2048 of 4096 bytes of the GPU's memory budget are in use.",
        hint: 'Give a larger --gpu-memory, or smaller pieces or batches.',
      }),
    );
    expect(memory.counts.held).toBe(2048);
  });

  it.each([-1, 0.5, Number.NaN, 2 ** 60])('of %s bytes is refused', async (bytes) => {
    const memory = await pool(Number.MAX_SAFE_INTEGER);
    const most = gpu.device.limits.maxStorageBufferBindingSize;
    const message = `x would take ${bytes} bytes; this device binds at most ${most} at once.`;
    expect(() => memory.take(bytes, 'x')).toThrow(expect.objectContaining({ code: 'GPU_MEMORY', message }));
  });

  it('is as large as the device binds, though no size of its own is', async () => {
    const memory = await pool(Number.MAX_SAFE_INTEGER);
    const most = gpu.device.limits.maxStorageBufferBindingSize;
    expect(memory.take(most, 'x').buffer.size).toBe(most);
    expect(() => memory.take(most + 1, 'x')).toThrow(expect.objectContaining({ code: 'GPU_MEMORY' }));
  });

  it.each([0, -1, Number.NaN])('has no budget of %s bytes', async (memoryBytes) => {
    await expect(Gpu.open({ adapter: 'null', memoryBytes })).rejects.toThrow(RangeError);
  });

  it('that the device does not have is refused where it is used first, and is not lent again', async () => {
    // the null device has 512 MiB
    const memory = await pool(2 ** 40);
    const size = 100 << 20;
    const spare = memory.take(size, 'spare');
    const taken = Array.from({ length: 5 }, (_, i) => memory.take(size, `piece ${i}`));
    spare.free();
    const commands = gpu.commands();
    commands.copy(taken[0]!, 0, taken[4]!, 0, 4);
    await expect(commands.submit()).rejects.toMatchObject({
      code: 'GPU_MEMORY',
      hint: 'Give a smaller --gpu-memory, pieces or batches.',
    });
    expect(memory.counts.spare, 'others may use what nobody holds').toBe(0);
    expect(await codeOf(gpu.uploads.write(taken[4]!.buffer, 0, new Uint8Array(4)))).toBe('GPU_MEMORY');
    expect(await codeOf(gpu.uploads.write(taken[4]!.buffer, 0, new Uint8Array(1 << 20)))).toBe('GPU_MEMORY');
    taken[4]!.free();
    expect(memory.counts.spare).toBe(0);
    expect(gpu.lost, 'the device goes on').toBeUndefined();
    taken[3]!.free();
    const again = memory.take(size, 'again');
    expect(await codeOf(gpu.uploads.write(again.buffer, 0, new Uint8Array(4)))).toBe('no error');
  });

  it('never goes over the budget, is never lent twice, and is counted', async () => {
    const budget = 1 << 16;
    const take = fc.record({ bytes: fc.nat({ max: 20_000 }), exact: fc.boolean() });
    const step = fc.oneof(
      { weight: 2, arbitrary: take },
      fc.nat().map((index) => ({ free: index })),
    );
    await pool(1);
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        gpu.close();
        const memory = await pool(budget);
        const held: Memory[] = [];
        for (const given of steps) {
          if ('bytes' in given) {
            try {
              held.push(memory.take(given.bytes, 'x', given.exact));
            } catch (error) {
              expect(error).toMatchObject({ code: 'GPU_MEMORY' });
              expect(memory.counts.held + given.bytes * (given.exact ? 1 : 1.5) + 256).toBeGreaterThan(budget);
            }
          } else if (held.length > 0) {
            held.splice(given.free % held.length, 1)[0]?.free();
          }
          const { held: bytes, spare, peak } = memory.counts;
          expect(bytes).toBe(held.reduce((sum, { buffer }) => sum + buffer.size, 0));
          expect(bytes + spare).toBeLessThanOrEqual(budget);
          expect(peak).toBeLessThanOrEqual(budget);
          expect(peak).toBeGreaterThanOrEqual(bytes + spare);
          expect(new Set(held.map(({ buffer }) => buffer)).size).toBe(held.length);
        }
        for (const { free } of held) free();
        expect(memory.counts.held).toBe(0);
        memory.drop();
        expect(memory.counts.spare).toBe(0);
      }),
      { numRuns: 60 },
    );
  });

  it('is not to be had on a closed device', async () => {
    const memory = await pool(4096);
    const taken = memory.take(10, 'x');
    gpu.close();
    expect(() => memory.take(10, 'y')).toThrow(expect.objectContaining({ code: 'DEVICE_LOST' }));
    taken.free();
    expect(memory.counts).toMatchObject({ held: 0, spare: 0 });
  });
});
