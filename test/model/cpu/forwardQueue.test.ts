import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { ForwardBatch, ForwardTask, KeyValues } from '../../../src/model/cpu/forward.ts';
import { ForwardQueue, type QueuedModel } from '../../../src/model/cpu/forwardQueue.ts';
import { readModelFile } from '../../../src/model/modelFile.ts';
import { Pool } from '../../../src/run/pool.ts';
import { modelFolder } from '../modelFolder.ts';

const dir = modelFolder();
const file = await readModelFile(dir);
let died = 0;
const model: QueuedModel = {
  path: dir,
  flopPerToken: 1,
  passThreads: 2,
  spec: () => ({ model: file, id: 'x' }),
  workerDied: () => {
    died++;
  },
};
const task = (tokens: number): ForwardTask => ({
  tokens: new Int32Array(tokens).fill(70),
  position: 0,
  carry: false,
  preNorm: false,
  logits: false,
});

/** Workers that end with the tasks in hand that `kills` picks. */
class DyingPool extends Pool {
  deaths = 0;
  readonly #kills: (batch: ForwardBatch, deaths: number) => boolean;

  constructor(threads: number, kills: (batch: ForwardBatch, deaths: number) => boolean) {
    super({ threads });
    this.#kills = kills;
  }

  override run<R>(module: string, given: unknown): Promise<R> {
    if (!this.#kills(given as ForwardBatch, this.deaths)) return super.run(module, given);
    this.deaths++;
    return super.run(fileURLToPath(new URL('./dyingWorker.ts', import.meta.url)), given);
  }
}

class WatchedPool extends Pool {
  readonly threadsOfPasses: number[] = [];

  override run<R>(module: string, given: unknown): Promise<R> {
    this.threadsOfPasses.push((given as ForwardBatch).spec.threads);
    return super.run(module, given);
  }
}

/** A pool whose first batches come back because the layers they needed were given up. */
class AbandoningPool extends Pool {
  #left: number;

  constructor(threads: number, times: number) {
    super({ threads });
    this.#left = times;
  }

  override run<R>(module: string, given: unknown): Promise<R> {
    if (this.#left-- <= 0) return super.run(module, given);
    return Promise.resolve((given as ForwardBatch).tasks.map(() => ({ abandoned: true })) as R);
  }
}

describe('queue of forward passes', () => {
  it('serves the oldest document first, however late its next pass comes', async () => {
    const pool = new Pool({ threads: 1 });
    const queue = new ForwardQueue(() => pool, model);
    const done: string[] = [];
    const run = (name: string, priority: number): Promise<unknown> =>
      queue.run(task(1024), priority, undefined).then(() => done.push(name));
    const first = [run('a', 5), run('b', 6), run('late', 9), run('later', 8)];
    // the first two travel when the oldest comes; of those that wait, priority decides
    await setImmediate();
    await setImmediate();
    await Promise.all([...first, run('oldest', 1)]);
    expect(done).toEqual(['a', 'b', 'oldest', 'later', 'late']);
    await pool.close();
  });

  it('repeats what a dead worker had in hand in the worker that takes its place', async () => {
    const pool = new DyingPool(1, (_, deaths) => deaths === 0);
    const queue = new ForwardQueue(() => pool, model);
    const alone = await queue.run(task(300), 0, undefined);
    const calm = new Pool({ threads: 1 });
    const expected = await new ForwardQueue(() => calm, model).run(task(300), 0, undefined);
    expect(alone.entropies).toEqual(expected.entropies);
    expect(pool.deaths).toBe(1);
    expect(died).toBe(1);
    await Promise.all([pool.close(), calm.close()]);
  });

  it('gives up a pass that kills two workers, and only that one', async () => {
    const pool = new DyingPool(1, ({ tasks }) => tasks.some(({ tokens }) => tokens.length === 13));
    const queue = new ForwardQueue(() => pool, model);
    const results = await Promise.allSettled([5, 6, 7, 13, 8, 9].map((size) => queue.run(task(size), 0, undefined)));
    const failed = results.filter(({ status }) => status === 'rejected');
    expect(failed).toHaveLength(1);
    expect(results[3]).toMatchObject({ reason: { name: 'ModelError', code: 'MODEL_WORKER', path: dir } });
    expect(pool.deaths).toBe(2);
    await pool.close();
  });

  it('sends a pass again whose layers were given up because of another, but not for ever', async () => {
    for (const [times, ends] of [
      [4, 'fulfilled'],
      [5, 'rejected'],
    ] as const) {
      const pool = new AbandoningPool(1, times);
      const queue = new ForwardQueue(() => pool, model);
      const [result] = await Promise.allSettled([queue.run(task(10), 0, undefined)]);
      expect(result?.status).toBe(ends);
      await pool.close();
    }
  });

  it('fails the passes of a batch, and no more, when there is no memory for their model', async () => {
    const pool = new Pool({ threads: 1 });
    const spec = (): never => {
      throw new Error('no memory');
    };
    const queue = new ForwardQueue(() => pool, { ...model, spec });
    await expect(queue.run(task(10), 0, undefined)).rejects.toThrow('no memory');
    await pool.close();
  });

  it('gives all threads to a long pass that is alone, and one to each where several are', async () => {
    const pool = new WatchedPool({ threads: 2 });
    const queue = new ForwardQueue(() => pool, { ...model, flopPerToken: 1e9 });
    const run = (tokens: number, past?: KeyValues) => queue.run({ ...task(tokens), past, carry: true }, 0, undefined);
    const { next } = await run(600);
    await run(600, next);
    await run(511, next);
    await Promise.all([run(600, next), run(600, next), run(600, next)]);
    expect(pool.threadsOfPasses).toEqual([2, 2, 1, 1, 1, 1]);
    await pool.close();
  });

  it('fails one pass without touching those that travel with it', async () => {
    const pool = new Pool({ threads: 1 });
    const queue = new ForwardQueue(() => pool, model);
    const wrong = { ...task(3), past: { rows: 5, data: new Float32Array(new SharedArrayBuffer(4)) } };
    const results = await Promise.allSettled([
      ...[1, 2, 3].map(() => queue.run(task(10), 0, undefined)),
      queue.run(wrong, 0, undefined),
      queue.run(task(10), 0, undefined),
    ]);
    expect(results.map(({ status }) => status)).toEqual([
      'fulfilled',
      'fulfilled',
      'fulfilled',
      'rejected',
      'fulfilled',
    ]);
    expect(results[3]).toMatchObject({ reason: { name: 'ModelError', code: 'MODEL_RUN' } });
    await pool.close();
  });
});
