import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { ModelError } from '../../src/errors.ts';
import type { ForwardResult, ForwardTask } from '../../src/model/forward.ts';
import { ForwardQueue } from '../../src/model/forwardQueue.ts';
import { Pool } from '../../src/run/pool.ts';
import { goldenModel } from './golden.ts';

const dir = goldenModel('w24-bf16');
const task = (tokens: number): ForwardTask => ({
  tokens: new Int32Array(tokens).fill(70),
  position: 0,
  carry: false,
  preNorm: false,
  logits: false,
});

class DyingPool extends Pool {
  override run<R>(_module: string, given: unknown, move?: readonly ArrayBuffer[]): Promise<R> {
    return super.run(fileURLToPath(new URL('./dyingWorker.ts', import.meta.url)), given, move);
  }
}

describe('queue of forward passes', () => {
  it('serves the oldest document first, however late its next pass comes', async () => {
    const pool = new Pool({ threads: 1 });
    const queue = new ForwardQueue(() => pool, dir, 'x');
    const done: string[] = [];
    const run = (name: string, priority: number): Promise<unknown> =>
      queue.run(task(1024), priority, undefined).then(() => done.push(name));
    // the first two travel at once; of those that wait, priority decides
    await Promise.all([run('a', 5), run('b', 6), run('late', 9), run('later', 8), run('oldest', 1)]);
    expect(done).toEqual(['a', 'b', 'oldest', 'later', 'late']);
    await pool.close();
  });

  it('says which model a dead worker computed, and works on with the next worker', async () => {
    let pool: Pool = new DyingPool({ threads: 1 });
    const queue = new ForwardQueue(() => pool, dir, 'x');
    const error: unknown = await queue.run(task(3), 0, undefined).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ModelError);
    expect(error).toMatchObject({ code: 'MODEL_WORKER', path: dir });
    await pool.close();
    pool = new Pool({ threads: 1 });
    const result: ForwardResult = await queue.run(task(3), 0, undefined);
    expect(result.entropies.length).toBe(3);
    await pool.close();
  });

  it('fails one pass without touching those that travel with it', async () => {
    const pool = new Pool({ threads: 1 });
    const queue = new ForwardQueue(() => pool, dir, 'x');
    const wrong = { ...task(3), past: { rows: 5, data: new Float32Array(1) } };
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
