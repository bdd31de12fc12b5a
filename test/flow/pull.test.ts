import { share, take } from 'rxjs';
import { describe, expect, test } from 'vitest';
import { mapAsync, pull } from '../../src/flow/index.ts';
import { collect, count, type Doc, eventually, numbers, Seen, Source, sleep } from './helpers.ts';

const stuck = mapAsync<unknown, never>(() => new Promise<never>(() => {}), { room: { items: 1 } });
const later = async <T>(value: T): Promise<T> => value;

test('delivers every chunk in order, and again for every subscriber', async () => {
  const flow = pull(() => [[1, 2], [], [3]]);
  expect(await collect(flow)).toEqual([1, 2, 3]);
  expect(await collect(flow)).toEqual([1, 2, 3]);
});

test('delivers nothing before subscribe has returned, so that a shared flow loses nothing', async () => {
  const flow = numbers(5).pipe(share());
  expect(await Promise.all([collect(flow), collect(flow)])).toEqual([
    [0, 1, 2, 3, 4],
    [0, 1, 2, 3, 4],
  ]);
});

test('asks for the next chunk only when there is room', async () => {
  const source = new Source();
  const subscription = source.flow(1000, { chunk: 10 }).pipe(stuck).subscribe();
  await sleep(20);
  expect(source.pulled).toBe(10);
  subscription.unsubscribe();
});

describe('an end before the end', () => {
  test('take returns the iterator once, aborts what runs and pulls no further', async () => {
    const source = new Source();
    let aborted = 0;
    const flow = source.flow(100_000, { chunk: 8 }).pipe(
      mapAsync(
        async (doc: Doc, signal) => {
          signal.addEventListener('abort', () => aborted++);
          await sleep(1);
          return doc;
        },
        { concurrency: 4, room: { items: 8 } },
      ),
      take(10),
    );
    expect(await count(flow)).toBe(10);
    await eventually(() => source.closed === 1);
    expect(source.pulled).toBeLessThanOrEqual(32);
    expect(aborted).toBeGreaterThan(0);
  });

  test('unsubscribe while a slow stage holds every gate', async () => {
    const source = new Source();
    const subscription = source
      .flow(100_000, { chunk: 8 })
      .pipe(mapAsync(later, { room: { items: 4 } }), stuck)
      .subscribe();
    await sleep(10);
    const { pulled } = source;
    subscription.unsubscribe();
    await eventually(() => source.closed === 1);
    await sleep(5);
    expect([source.pulled, source.closed]).toEqual([pulled, 1]);
  });

  test('one subscriber of a shared flow leaves while it holds the gate, and the other goes on', async () => {
    const shared = new Source().flow(200, { chunk: 8 }).pipe(share());
    const leaver = shared.pipe(stuck).subscribe();
    const other = count(shared.pipe(mapAsync(later, { room: { items: 4 } })));
    await sleep(10);
    leaver.unsubscribe();
    expect(await other).toBe(200);
  });

  test('unsubscribe before the first value: the source is never opened', async () => {
    const source = new Source();
    source.flow(10).subscribe().unsubscribe();
    await sleep(1);
    expect([source.pulled, source.closed]).toEqual([0, 0]);
  });

  test('the signal aborts a read under way, and only then', async () => {
    const signals: AbortSignal[] = [];
    const reading = pull<number>(async function* (signal) {
      signals.push(signal);
      yield [1];
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    });
    expect(await collect(reading.pipe(take(1)))).toEqual([1]);
    await collect(
      pull<number>(async function* (signal) {
        signals.push(signal);
        yield [1];
      }),
    );
    expect(signals.map((signal) => signal.aborted)).toEqual([true, false]);
  });

  test('an error downstream closes the source', async () => {
    const source = new Source();
    const flow = source.flow(100_000).pipe(
      mapAsync(async (doc) => {
        if (doc.id === 50) throw new Error('no 50');
        return doc;
      }),
    );
    await expect(count(flow)).rejects.toThrow('no 50');
    await eventually(() => source.closed === 1);
  });
});

test('an error of the iterable fails the flow after the values before it', async () => {
  const got: number[] = [];
  const flow = pull<number>(async function* () {
    yield [1, 2];
    throw new Error('disk');
  });
  await expect(
    new Promise((resolve, reject) =>
      flow.subscribe({ next: (n) => got.push(n), error: reject, complete: () => resolve(0) }),
    ),
  ).rejects.toThrow('disk');
  expect(got).toEqual([1, 2]);
  await expect(
    collect(
      pull(() => {
        throw new Error('no source');
      }),
    ),
  ).rejects.toThrow('no source');
});

test('a named source shows what it has in hand and whether it is held', async () => {
  const seen = new Seen();
  const subscription = seen.run(() => new Source().flow(100, { chunk: 10, name: 'read' }).pipe(stuck).subscribe());
  await sleep(10);
  const { items, received, blocked } = seen.inlet('read');
  expect({ items, received, blocked }).toEqual({ items: 9, received: 10, blocked: true });
  subscription.unsubscribe();
  expect(seen.inlet('read').closed).toBe(true);
});
