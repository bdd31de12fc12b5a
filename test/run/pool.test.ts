import path from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Pool, workerModule } from '../../src/run/pool.ts';

const module = path.join(import.meta.dirname, '../fixtures/workers/upper.ts');
const task = (text: string, wait: number) => [{ bytes: new Uint8Array(Buffer.from(text)), wait }];
type Result = { bytes: Uint8Array }[];

function pool(threads: number): Pool {
  const made = new Pool({ threads });
  onTestFinished(() => made.close());
  return made;
}

describe('Pool', () => {
  it('moves the buffers of results back instead of copying them', async () => {
    const [result] = await pool(1).run<Result>(module, task('moved', 0));
    expect(Buffer.from(result?.bytes ?? []).toString()).toBe('MOVED');
  });

  it('lets tasks in hand finish when it settles, queued ones too, and takes new ones meanwhile', async () => {
    const one = pool(1);
    let finished = 0;
    for (const text of ['a', 'b', 'c']) {
      void one.run<Result>(module, task(text, 60)).then(() => {
        finished++;
      });
    }
    const settled = one.settle();
    const late = one.run<Result>(module, task('late', 0));
    await settled;
    expect(finished).toBe(3);
    expect(await late).toHaveLength(1);
  });

  it('changes its threads without losing a task', async () => {
    const one = pool(1);
    const tasks = Array.from({ length: 6 }, (_, i) => one.run<Result>(module, task(`t${i}`, 20)));
    one.resize(3);
    tasks.push(one.run<Result>(module, task('t6', 0)));
    expect(one.threads).toBe(3);
    expect((await Promise.all(tasks)).map(([result]) => Buffer.from(result?.bytes ?? []).toString())).toEqual(
      Array.from({ length: 7 }, (_, i) => `T${i}`),
    );
  });

  it('lets nobody wait for a task that is aborted, which ends where it is and harms no other', async () => {
    const one = pool(1);
    const waits = Array.from({ length: 20 }, (_, i) => 5 * (i % 3));
    for (const wait of waits) {
      const abort = new AbortController();
      const aborted = one.run<Result>(module, task('gone', wait), [], abort.signal);
      const after = one.run<Result>(module, task('after', 0));
      setTimeout(() => abort.abort(new Error('enough')), wait);
      await Promise.race([aborted.catch((error: Error) => expect(error.message).toBe('enough')), after]);
      expect(await after).toHaveLength(1);
    }
    const late = AbortSignal.abort(new Error('too late'));
    await expect(one.run(module, task('never', 0), [], late)).rejects.toThrow('too late');
  });

  it('rejects a task whose worker throws, and goes on', async () => {
    const one = pool(1);
    await expect(one.run(module, task('!', 0))).rejects.toThrow('no worker can take');
    await expect(one.run<Result>(module, task('x', 0))).resolves.toHaveLength(1);
  });
});

describe('workerModule', () => {
  it("names a module beside the caller in the caller's own form", () => {
    expect(workerModule('file:///a/b/hash.ts', './hash.worker')).toBe(path.normalize('/a/b/hash.worker.ts'));
    expect(workerModule('file:///a/b/hash.js', './hash.worker')).toBe(path.normalize('/a/b/hash.worker.js'));
  });
});
