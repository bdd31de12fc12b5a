import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { map, take } from 'rxjs';
import { describe, expect, test } from 'vitest';
import { drain, mapAsync, pull } from '../../src/flow/index.ts';
import { collect, count, type Doc, eventually, numbers, Seen, Source, sleep } from './helpers.ts';

/** Takes 0 to 3 turns of the event loop, in an order that is neither first in nor last in. */
const unevenly = async (n: number): Promise<number> => {
  for (let turns = (n * 7) % 4; turns > 0; turns--) await turn();
  return n;
};
setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;
const all = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

test('results come in the order of their values, whichever task ends first', async () => {
  expect(await collect(numbers(500).pipe(mapAsync(unevenly, { concurrency: 16 })))).toEqual(all(500));
});

test('without order they come as tasks end, and none is lost', async () => {
  const got = await collect(numbers(500).pipe(mapAsync(unevenly, { concurrency: 16, ordered: false })));
  expect(got).not.toEqual(all(500));
  expect(got.sort((a, b) => a - b)).toEqual(all(500));
});

test('never more tasks at work than allowed, and as many as allowed', async () => {
  let now = 0;
  let most = 0;
  const task = async (n: number): Promise<void> => {
    most = Math.max(most, ++now);
    await unevenly(n);
    now--;
  };
  await drain(numbers(100).pipe(mapAsync(task, { concurrency: 5, room: { items: 50 } })));
  expect(most).toBe(5);
});

test('a task may return a value, a promise or any thenable, also of undefined', async () => {
  // biome-ignore lint/suspicious/noThenProperty: a thenable that is no promise is the point
  const results = [1, undefined, null, Promise.resolve(2), { then: (done: (n: number) => void) => done(3) }];
  const flow = numbers(5).pipe(mapAsync((n): unknown => results[n], { concurrency: 5 }));
  expect(await collect(flow)).toEqual([1, undefined, null, 2, 3]);
});

test('the room counts a value until its result has been handed on', async () => {
  const seen = new Seen();
  const flow = numbers(100).pipe(
    mapAsync((n) => n, { name: 'first', concurrency: 4, room: { items: 6 } }),
    mapAsync(() => new Promise<never>(() => {}), { room: { items: 1 } }),
  );
  const subscription = seen.run(() => flow.subscribe());
  await sleep(5);
  const { items, running, blocked } = seen.inlet('first');
  expect({ items, running, blocked }).toEqual({ items: 6, running: 0, blocked: true });
  subscription.unsubscribe();
});

describe('an error', () => {
  const at = (bad: number, how: (n: number) => unknown): Promise<number> =>
    count(
      new Source().flow(10_000).pipe(mapAsync((doc: Doc) => (doc.id === bad ? how(doc.id) : doc), { concurrency: 3 })),
    );

  test('that a task throws or rejects with fails the flow', async () => {
    const thrown = (n: number): never => {
      throw new Error(`no ${n}`);
    };
    await expect(at(20, thrown)).rejects.toThrow('no 20');
    await expect(at(20, async (n) => thrown(n))).rejects.toThrow('no 20');
  });

  test('closes the source, aborts the other tasks, and their ends change nothing', async () => {
    const source = new Source();
    const aborted: number[] = [];
    const got: number[] = [];
    const all = Promise.withResolvers<void>();
    const others = Promise.withResolvers<void>();
    const flow = source.flow(10_000).pipe(
      mapAsync(
        async ({ id }, signal) => {
          signal.addEventListener('abort', () => aborted.push(id));
          if (id === 2) all.resolve();
          await (id === 1 ? all.promise : others.promise);
          if (id === 1) throw new Error('no 1');
          if (id === 2) throw new Error('too late');
          return id;
        },
        { concurrency: 3, room: { items: 3 } },
      ),
    );
    const failed = new Promise((_, reject) => flow.subscribe({ next: (id) => got.push(id), error: reject }));
    await expect(failed).rejects.toThrow('no 1');
    await eventually(() => source.closed === 1);
    others.resolve();
    await sleep(10);
    expect(got).toEqual([]);
    expect(aborted).toEqual([0, 1, 2]);
  });

  test('in sizeOf fails the flow', async () => {
    const sizeOf = (n: number): number => {
      if (n === 3) throw new Error('no size');
      return 1;
    };
    await expect(drain(numbers(5).pipe(mapAsync((n) => n, { sizeOf })))).rejects.toThrow('no size');
    for (const size of [Number.NaN, -1, Number.POSITIVE_INFINITY]) {
      const flow = numbers(5).pipe(mapAsync((n) => n, { sizeOf: () => size }));
      await expect(drain(flow)).rejects.toMatchObject({ code: 'BAD_SIZE' });
    }
  });

  test('in a plain map behind it fails the flow and closes the source', async () => {
    const source = new Source();
    const flow = source.flow(10_000).pipe(
      mapAsync(async (doc) => doc),
      map((doc) => {
        if (doc.id === 7) throw new Error('bad 7');
        return doc;
      }),
      mapAsync(async (doc) => doc),
    );
    await expect(count(flow)).rejects.toThrow('bad 7');
    await eventually(() => source.closed === 1);
  });
});

test('no task starts once the flow is left, and none that runs is heard', async () => {
  const started: number[] = [];
  const flow = numbers(100).pipe(
    mapAsync(
      async (n) => {
        started.push(n);
        await unevenly(n);
        return n;
      },
      { concurrency: 2, room: { items: 10 } },
    ),
    take(1),
  );
  expect(await collect(flow)).toEqual([0]);
  const before = started.length;
  await sleep(5);
  expect(started.length).toBe(before);
});

test('the signal of a flow that ends well does not abort', async () => {
  const signals: AbortSignal[] = [];
  await drain(numbers(3).pipe(mapAsync(async (_, signal) => signals.push(signal))));
  expect(signals.map((signal) => signal.aborted)).toEqual([false, false, false]);
});

test('a value is let go when its task starts and forgets it, a result when it is handed on', async () => {
  // only weak references are kept here, so whatever survives is held by a stage
  const inputs: WeakRef<object>[] = [];
  const outputs: WeakRef<object>[] = [];
  const make = (list: WeakRef<object>[]): object => {
    const value = { payload: new Uint8Array(1000) };
    list.push(new WeakRef(value));
    return value;
  };
  const alive = (list: WeakRef<object>[]): number => list.filter((ref) => ref.deref() !== undefined).length;
  const source = pull(function* () {
    for (let i = 0; i < 40; i++) yield [make(inputs)];
  });
  const flow = source.pipe(
    mapAsync(async () => make(outputs), { concurrency: 4, room: { items: 8 } }),
    mapAsync(() => (outputs.length < 20 ? undefined : new Promise<never>(() => {})), { room: { items: 1 } }),
  );
  const subscription = flow.subscribe();
  await sleep(10);
  collectGarbage();
  await sleep(10);
  collectGarbage();
  expect(outputs.length).toBeGreaterThanOrEqual(20);
  expect(alive(inputs)).toBeLessThanOrEqual(2);
  expect(alive(outputs)).toBeLessThanOrEqual(8 + 1);
  subscription.unsubscribe();
});
