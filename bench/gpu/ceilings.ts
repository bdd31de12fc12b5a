import type { Gpu } from '../../src/gpu/index.ts';
import { copy } from '../elementary/elementwise.ts';
import { multiplyAdd } from '../elementary/multiplyAdd.ts';
import { time } from '../harness.ts';
import { Chain, type Step, step } from './chain.ts';

/** What a device does at the best, measured. */
export interface Ceilings {
  /** Bytes a second of a copy in its memory, read and written ones. */
  readonly bandwidth: number;
  /** Multiply-adds of float32 a second, each counted as two, with nothing read from memory. */
  readonly flops: number;
}

const ROUNDS = 7;
/** Elements that are copied: within caches, and beyond. */
const COPIES = [1 << 20, 1 << 22, 1 << 24, 1 << 26];
/** Elements that multiply-adds are done for: 16 MiB of results of a device with many thousand lanes. */
const SUMS = [1 << 12, 1 << 16, 1 << 22];
/** A size that one round takes longer for ends the search. */
const SLOW_SECONDS = 0.3;

export async function ceilingsOf(gpu: Gpu): Promise<Ceilings> {
  return {
    bandwidth: await best(gpu, COPIES, (count) => step(copy, { count, scalar: 0 }, { x: 'x', y: 'y' }), 'bytes'),
    flops: await best(gpu, SUMS, (count) => step(multiplyAdd, { count, factor: 0.5 }, { y: 'y' }), 'flops'),
  };
}

async function best(
  gpu: Gpu,
  counts: readonly number[],
  of: (count: number) => Step,
  what: 'bytes' | 'flops',
): Promise<number> {
  let most = 0;
  for (const count of counts) {
    const given = of(count);
    const memory = new Map(
      Object.values(given.buffers).map((name) => [name, gpu.memory.take(4 * count, name, true)] as const),
    );
    const chain = await Chain.open(gpu, [given], memory);
    const round = async (times: number): Promise<number> => {
      const commands = chain.record(times);
      await gpu.done();
      return time(async () => {
        gpu.device.queue.submit([commands]);
        await gpu.done();
      }, 'wall');
    };
    await round(1);
    const seconds = await round(1);
    const times = repeats(seconds);
    for (let i = 0; i < ROUNDS; i++) {
      most = Math.max(most, (times * given.kernel.cost(given.sizes)[what]) / (await round(times)));
    }
    chain.close();
    for (const held of memory.values()) held.free();
    if (seconds > SLOW_SECONDS) break;
  }
  return most;
}

const SUBMISSION_SECONDS = 0.02;
const MOST_REPEATS = 64;

/** How often work is done in one submission, so that the cost of submitting does not count. */
export function repeats(seconds: number): number {
  return Math.max(1, Math.min(MOST_REPEATS, Math.ceil(SUBMISSION_SECONDS / seconds)));
}
