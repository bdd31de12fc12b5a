import type { Gpu, Memory } from '../../src/gpu/index.ts';
import { copy } from '../elementary/elementwise.ts';
import { multiplyAdd } from '../elementary/multiplyAdd.ts';
import { time } from '../harness.ts';
import { Chain, type Step, step } from './chain.ts';

/** What a device does at the best, measured: the best rate seen so far. */
export class Ceiling {
  readonly unit: string;
  /** Bytes or operations a second. */
  best = 0;
  readonly #gpu: Gpu;
  readonly #memory: ReadonlyMap<string, Memory>;
  readonly #chain: Chain;
  readonly #work: number;
  #times = 1;

  private constructor(gpu: Gpu, unit: string, work: number, chain: Chain, memory: ReadonlyMap<string, Memory>) {
    this.unit = unit;
    this.#gpu = gpu;
    this.#work = work;
    this.#chain = chain;
    this.#memory = memory;
  }

  /** Bytes of a copy in the device's memory, read and written ones. */
  static copy(gpu: Gpu): Promise<Ceiling> {
    const of = (count: number): Step => step(copy, { count, scalar: 0 }, { x: 'x', y: 'y' });
    return Ceiling.#search(gpu, 'GB/s', COPIES, of, (given) => given.kernel.cost(given.sizes).bytes);
  }

  /** Multiply-adds of float32, each counted as two operations, with nothing read from memory. */
  static multiplyAdd(gpu: Gpu): Promise<Ceiling> {
    const of = (count: number): Step => step(multiplyAdd, { count, factor: 0.5 }, { y: 'y' });
    return Ceiling.#search(gpu, 'GFLOP/s', SUMS, of, (given) => given.kernel.cost(given.sizes).flops);
  }

  /** Measures once more: machines that others use are faster at times. */
  async again(): Promise<void> {
    const commands = this.#chain.record(this.#times);
    await this.#gpu.done();
    const seconds = await time(async () => {
      this.#gpu.device.queue.submit([commands]);
      await this.#gpu.done();
    }, 'wall');
    this.best = Math.max(this.best, (this.#times * this.#work) / seconds);
  }

  close(): void {
    this.#chain.close();
    for (const held of this.#memory.values()) held.free();
  }

  static async #search(
    gpu: Gpu,
    unit: string,
    counts: readonly number[],
    of: (count: number) => Step,
    workOf: (given: Step) => number,
  ): Promise<Ceiling> {
    let best: Ceiling | undefined;
    const most = gpu.device.limits.maxStorageBufferBindingSize / 4;
    for (const count of counts) {
      if (count > most && best !== undefined) break;
      const given = of(count);
      const names = Object.values(given.buffers);
      const memory = new Map(names.map((name) => [name, gpu.memory.take(4 * count, name, true)]));
      const ceiling = new Ceiling(gpu, unit, workOf(given), await Chain.open(gpu, [given], memory), memory);
      await ceiling.again();
      await ceiling.again();
      const seconds = ceiling.#work / ceiling.best;
      ceiling.#times = repeats(seconds);
      for (let round = 0; round < ROUNDS && seconds < SLOW_SECONDS; round++) await ceiling.again();
      const [better, worse] = best !== undefined && best.best > ceiling.best ? [best, ceiling] : [ceiling, best];
      worse?.close();
      best = better;
      if (seconds > SLOW_SECONDS) break;
    }
    if (best === undefined) throw new Error('There are no sizes to measure.');
    return best;
  }
}

const ROUNDS = 7;
/** Elements that are copied: within caches, and beyond. */
const COPIES = [1 << 20, 1 << 22, 1 << 24, 1 << 26];
/** Results of multiply-adds: few, and more than the lanes of any device. */
const SUMS = [1 << 12, 1 << 16, 1 << 22];
/** A size that takes longer ends the search. */
const SLOW_SECONDS = 0.3;

const SUBMISSION_SECONDS = 0.02;
const MOST_REPEATS = 64;

/** How often work is done in one submission, so that the cost of submitting does not count. */
export function repeats(seconds: number): number {
  return Math.max(1, Math.min(MOST_REPEATS, Math.ceil(SUBMISSION_SECONDS / seconds)));
}
