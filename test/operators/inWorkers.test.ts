import path from 'node:path';
import { from, lastValueFrom, toArray } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { pull } from '../../src/flow/index.ts';
import { inWorkers } from '../../src/operators/index.ts';

const module = path.join(import.meta.dirname, '../fixtures/workers/upper.ts');

interface Task {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly wait: number;
}
interface Done {
  readonly bytes: Uint8Array;
  readonly thread: number;
  readonly together: number;
}

const task = (text: string, wait = 0): Task => ({ bytes: new Uint8Array(Buffer.from(text)), wait });
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
const upper = (limit = { items: 3, bytes: 1000 }) =>
  inWorkers<Task, Done>(module, {
    batch: limit,
    sizeOf: ({ bytes }) => bytes.length,
    move: (tasks) => tasks.map(({ bytes }) => bytes.buffer),
  });

describe('inWorkers', () => {
  it('gives one result for every value, in order, from threads that work at once', async () => {
    const tasks = Array.from({ length: 40 }, (_, i) => task(`value ${i}`, i % 7));
    const names = tasks.map(({ bytes }) => text(bytes).toUpperCase());
    const results = await lastValueFrom(pull(() => [tasks]).pipe(upper(), toArray()));
    expect(results.map(({ bytes }) => text(bytes))).toEqual(names);
    expect(results.every(({ thread }) => thread > 0)).toBe(true);
  });

  it('cuts batches by items and by bytes', async () => {
    const tasks = ['a', 'b', 'c', 'd', 'e'.repeat(9), 'f'].map((one) => task(one));
    const results = await lastValueFrom(from(tasks).pipe(upper({ items: 3, bytes: 8 }), toArray()));
    expect(results.map(({ together }) => together)).toEqual([3, 3, 3, 1, 1, 1]);
  });

  it('moves buffers to the worker instead of copying them', async () => {
    const one = task('moved');
    await lastValueFrom(from([one]).pipe(upper()));
    expect(one.bytes.buffer.detached).toBe(true);
  });

  it('fails the flow when a worker throws, or returns too few results', async () => {
    await expect(lastValueFrom(from([task('!')]).pipe(upper()))).rejects.toThrow('a value no worker can take');
    await expect(lastValueFrom(from([task('?')]).pipe(upper()))).rejects.toMatchObject({ code: 'WORKER_RESULT' });
  });
});
