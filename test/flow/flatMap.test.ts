import { setImmediate as turn } from 'node:timers/promises';
import { bufferCount, defer, EMPTY, from, map, mergeMap, NEVER, Observable, of, Subject, take, throwError } from 'rxjs';
import { describe, expect, test } from 'vitest';
import { drain, flatMap, mapAsync, pull } from '../../src/flow/index.ts';
import { collect, count, docs, eventually, Live, numbers, Seen, Source, sleep } from './helpers.ts';

describe('takes every kind of inner flow, in order', () => {
  const kinds: [string, (n: number) => Parameters<typeof from<Observable<number | undefined>>>[0]][] = [
    ['a gated flow', (n) => pull(() => [[n], [undefined]])],
    ['an observable that emits at once', (n) => of(n, undefined)],
    ['an observable behind an asynchronous stage', (n) => of(n, undefined).pipe(mapAsync(async (x) => x))],
  ];
  test.each(kinds)('%s', async (_, flowOf) => {
    expect(await collect(numbers(3).pipe(flatMap(flowOf)))).toEqual([0, undefined, 1, undefined, 2, undefined]);
  });

  test('arrays, iterables, async iterables, promises and array-likes', async () => {
    const outer = pull(() => [[0, 1, 2, 3, 4, 5]]);
    const flow = outer.pipe(
      flatMap<number, unknown>((n) => {
        if (n === 0) return [1, undefined];
        if (n === 1) return new Set([2, 3]);
        if (n === 2) {
          return (async function* () {
            yield 4;
            yield undefined;
          })();
        }
        if (n === 3) return Promise.resolve(undefined);
        if (n === 4) return { length: 2, 0: 5, 1: 6 };
        return 'ab';
      }),
    );
    expect(await collect(flow)).toEqual([1, undefined, 2, 3, 4, undefined, undefined, 5, 6, 'a', 'b']);
  });

  test('none at all', async () => {
    expect(await collect(numbers(3).pipe(flatMap(() => EMPTY)))).toEqual([]);
    expect(await collect(numbers(0).pipe(flatMap(() => NEVER)))).toEqual([]);
  });
});

test('undefined is an outer value like any other', async () => {
  const flow = pull(() => [[undefined, 1, undefined]]).pipe(
    mergeMap((n) => of(n, n)),
    flatMap((n) => [n]),
  );
  expect(await collect(flow)).toEqual([undefined, undefined, 1, 1, undefined, undefined]);
});

describe('bound', () => {
  test('asks for no more outer values than it runs inner flows', async () => {
    let outer = 0;
    const live = new Live();
    const flow = pull(function* () {
      for (let n = 0; n < 50; n++) {
        outer++;
        yield [n];
      }
    }).pipe(
      flatMap(() => docs(1000), { concurrency: 2 }),
      map(live.born),
      mapAsync(live.slowly, { room: { items: 4 } }),
      take(100),
    );
    expect(await count(flow)).toBe(100);
    expect(outer).toBeLessThanOrEqual(3);
    expect(live.peak).toBeLessThanOrEqual(4 + 2);
  });

  test('inner iterables are pulled one by one', async () => {
    let made = 0;
    const lazily = function* () {
      for (;;) yield made++;
    };
    const flow = numbers(1).pipe(
      flatMap(lazily),
      mapAsync(() => new Promise<never>(() => {}), { room: { items: 3 } }),
    );
    const subscription = flow.subscribe();
    await sleep(5);
    expect(made).toBeLessThanOrEqual(4);
    subscription.unsubscribe();
  });

  test('bursts of inner flows that emit at once: the room and one burst each', async () => {
    const live = new Live();
    const seen = new Seen();
    const flow = numbers(40).pipe(
      flatMap((n) => from(Array.from({ length: 25 }, (_, i) => live.born({ id: n * 25 + i, bytes: 1 }))), {
        name: 'rows',
      }),
      mapAsync(async (row) => live.dies(await turn(row)), { room: { items: 4 }, strict: true }),
    );
    expect(await seen.run(() => count(flow))).toBe(1000);
    expect(live.peak).toBeLessThanOrEqual(4 + 25);
    expect(seen.inlet('rows').peakItems).toBe(1);
  });

  test('100,000 inner flows that complete at once do not grow the stack', async () => {
    const flow = numbers(1).pipe(
      mergeMap(() => from(Array.from({ length: 100_000 }, (_, i) => i))),
      flatMap((n) => of(n)),
    );
    expect(await count(flow)).toBe(100_000);
  });
});

test('above one inner flow at once values mix, and none is lost', async () => {
  const flow = numbers(20).pipe(
    flatMap((n) => numbers(10).pipe(mapAsync((k) => turn(n * 10 + k))), { concurrency: 4 }),
  );
  expect((await collect(flow)).sort((a, b) => a - b)).toEqual(Array.from({ length: 200 }, (_, i) => i));
});

test('what an operator flushes when the last inner flow ends passes strict stages', async () => {
  const flow = numbers(5).pipe(
    flatMap((n) => of(n).pipe(mapAsync(async (x) => x))),
    bufferCount(2),
    mapAsync(async (values) => values, { strict: true }),
  );
  expect(await collect(flow)).toEqual([[0, 1], [2, 3], [4]]);
});

describe('an error', () => {
  const wrong: [string, (n: number) => Observable<number> | Promise<number>][] = [
    [
      'thrown by the function',
      () => {
        throw new Error('wrong');
      },
    ],
    ['of an inner flow', () => throwError(() => new Error('wrong'))],
    ['of an inner promise', () => Promise.reject(new Error('wrong'))],
    [
      'thrown while the inner flow is subscribed',
      () =>
        defer(() => {
          throw new Error('wrong');
        }),
    ],
  ];
  test.each(wrong)('%s fails the flow and closes the source', async (_, flowOf) => {
    const source = new Source();
    await expect(
      drain(source.flow(100, { chunk: 1 }).pipe(flatMap((doc) => (doc.id === 2 ? flowOf(doc.id) : of(doc.id))))),
    ).rejects.toThrow('wrong');
    await eventually(() => source.closed === 1);
    expect(source.pulled).toBe(3);
  });

  test('of something that is no flow', async () => {
    await expect(drain(numbers(1).pipe(flatMap(() => JSON.parse('{}'))))).rejects.toThrow(TypeError);
    await expect(drain(numbers(1).pipe(flatMap(() => JSON.parse('5'))))).rejects.toThrow(TypeError);
  });
});

test('leaving the flow closes the inner ones and starts no other', async () => {
  const inner = new Source();
  const outer = new Source();
  const flow = outer.flow(10).pipe(
    flatMap(() => inner.flow(10, { chunk: 1 })),
    take(3),
  );
  expect(await count(flow)).toBe(3);
  await eventually(() => inner.closed === 1 && outer.closed === 1);
  expect(inner.pulled).toBe(3);
});

test('the end of the flow ends an inner flow that emits without pause', async () => {
  let made = 0;
  const endless = new Observable<number>((out) => {
    while (!out.closed && made < 100) out.next(made++);
  });
  expect(
    await collect(
      numbers(1).pipe(
        flatMap(() => endless),
        take(2),
      ),
    ),
  ).toEqual([0, 1]);
  expect(made).toBe(2);
});

test('a promise that rejects after the flow was left disturbs nobody', async () => {
  const unhandled: unknown[] = [];
  const listen = (error: unknown): void => void unhandled.push(error);
  process.on('unhandledRejection', listen);
  const hot = new Subject<number>();
  const subscription = hot.pipe(flatMap(() => Promise.reject(new Error('nobody')))).subscribe();
  hot.next(1);
  subscription.unsubscribe();
  await sleep(5);
  process.off('unhandledRejection', listen);
  expect(unhandled).toEqual([]);
});
