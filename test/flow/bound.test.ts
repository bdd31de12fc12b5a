import { setImmediate as turn } from 'node:timers/promises';
import { bufferCount, concat, connect, filter, from, map, merge, mergeMap, type Observable, scan } from 'rxjs';
import { describe, expect, test } from 'vitest';
import { batch, iterate, mapAsync, transduce } from '../../src/flow/index.ts';
import { count, type Doc, docs, Live, Seen } from './helpers.ts';

const soon = async <T>(value: T): Promise<T> => {
  await turn();
  return value;
};
/** 1 byte to 1 MiB, the same for the same document. */
const wildSize = (id: number): number => 1 + (Math.imul(id, 2654435761) >>> 12);
const children = (doc: Doc, n: number): Doc[] =>
  Array.from({ length: n }, (_, k) => ({ id: doc.id * n + k, bytes: 100 }));

describe('values in flight never exceed the rooms plus what is in hand', () => {
  test('a chain whose sink is 100 times slower than its source', async () => {
    const live = new Live();
    const flow = docs(600).pipe(
      map(live.born),
      mapAsync(soon, { concurrency: 4, room: { items: 8 } }),
      mapAsync(live.slowly, { room: { items: 2 } }),
    );
    expect(await count(flow)).toBe(600);
    expect(live.peak).toBeLessThanOrEqual(8 + 2 + 1);
  });

  test('a plain filter that drops 99 of 100', async () => {
    const live = new Live();
    const flow = docs(100_000, { chunk: 1024 }).pipe(
      filter((doc) => doc.id % 100 === 0),
      map(live.born),
      mapAsync(async (doc: Doc) => live.dies(await soon(doc)), { room: { items: 4 } }),
    );
    expect(await count(flow)).toBe(1000);
    expect(live.peak).toBeLessThanOrEqual(4 + 1);
  });

  test('a lazy fan-out of 50 stays within the room', async () => {
    const live = new Live();
    const flow = docs(20).pipe(
      transduce<Doc, Doc>(() => ({
        *next(doc) {
          for (const child of children(doc, 50)) yield live.born(child);
        },
      })),
      mapAsync(live.slowly, { room: { items: 4 } }),
    );
    expect(await count(flow)).toBe(1000);
    expect(live.peak).toBeLessThanOrEqual(4 + 1);
  });

  test('a plain synchronous fan-out of 50 costs one burst more', async () => {
    const live = new Live();
    const flow = docs(20).pipe(
      mergeMap((doc) => from(children(doc, 50))),
      map(live.born),
      mapAsync(live.slowly, { room: { items: 4 } }),
    );
    expect(await count(flow)).toBe(1000);
    expect(live.peak).toBeLessThanOrEqual(4 + 50);
  });

  test('10,000 groups that a step flushes at the end', async () => {
    const live = new Live();
    const flow = docs(10_000, { chunk: 64 }).pipe(
      transduce<Doc, Doc>(() => {
        const groups = new Map<number, Doc>();
        return {
          next(doc) {
            groups.set(doc.id, doc);
          },
          *flush() {
            for (const doc of groups.values()) yield live.born(doc);
          },
        };
      }),
      mapAsync(async (doc: Doc) => live.dies(await soon(doc)), { room: { items: 4 } }),
    );
    expect(await count(flow)).toBe(10_000);
    expect(live.peak).toBeLessThanOrEqual(4 + 1);
  });

  test('three sources merged into one stage: one value in hand for each', async () => {
    const live = new Live();
    const flow = merge(docs(100), docs(100), docs(100)).pipe(
      map(live.born),
      mapAsync(live.slowly, { room: { items: 4 } }),
    );
    expect(await count(flow)).toBe(300);
    expect(live.peak).toBeLessThanOrEqual(4 + 3);
  });

  test('a tee: the slower branch governs and both get everything', async () => {
    const live = new Live();
    const fast: number[] = [];
    const slow: number[] = [];
    const flow = docs(200).pipe(
      map(live.born),
      connect((shared) =>
        merge(
          shared.pipe(mapAsync(async (doc) => fast.push((await soon(doc)).id), { room: { items: 4 } })),
          shared.pipe(mapAsync(async (doc) => slow.push((await live.slowly(doc)).id), { room: { items: 4 } })),
        ),
      ),
    );
    expect(await count(flow)).toBe(400);
    expect(fast).toEqual(slow);
    expect(live.peak).toBeLessThanOrEqual(4 + 1);
  });

  test('concat, scan and twelve asynchronous stages in a row', async () => {
    const live = new Live();
    let flow: Observable<Doc> = concat(docs(100), docs(100)).pipe(map(live.born));
    for (let i = 0; i < 12; i++) {
      flow = flow.pipe(
        mapAsync(soon, { concurrency: 2, room: { items: 3 } }),
        scan((_, doc) => doc),
      );
    }
    expect(await count(flow.pipe(mapAsync(live.slowly, { room: { items: 1 } })))).toBe(200);
    expect(live.peak).toBeLessThanOrEqual(12 * 3 + 1 + 13);
  });

  test('a foreign for-await consumer that is slow', async () => {
    const live = new Live();
    let n = 0;
    for await (const doc of iterate(docs(200).pipe(map(live.born), mapAsync(soon, { room: { items: 4 } })))) {
      await live.slowly(doc);
      n++;
    }
    expect(n).toBe(200);
    expect(live.peak).toBeLessThanOrEqual(4 + 1 + 1);
  });

  test('a room in bytes exceeds its limit by less than one value', async () => {
    const live = new Live();
    const seen = new Seen();
    const flow = docs(300, { bytes: wildSize }).pipe(
      map(live.born),
      mapAsync(live.slowly, {
        name: 'bytes',
        concurrency: 4,
        room: { items: 1000, bytes: 2 << 20 },
        sizeOf: (doc) => doc.bytes,
      }),
    );
    expect(await seen.run(() => count(flow))).toBe(300);
    const { peakBytes, receivedBytes } = seen.inlet('bytes');
    expect(peakBytes).toBeLessThan((2 << 20) + (1 << 20));
    expect(peakBytes).toBeGreaterThan(1 << 20);
    expect(live.peakBytes).toBeLessThan((2 << 20) + (1 << 20));
    expect(receivedBytes).toBe(Array.from({ length: 300 }, (_, id) => wildSize(id)).reduce((a, b) => a + b));
  });

  test('a value larger than the whole room in bytes passes alone', async () => {
    const seen = new Seen();
    const flow = docs(20, { bytes: () => 5000 }).pipe(
      mapAsync(soon, { name: 'small', concurrency: 4, room: { items: 8, bytes: 1000 }, sizeOf: (doc) => doc.bytes }),
    );
    expect(await seen.run(() => count(flow))).toBe(20);
    expect(seen.inlet('small').peakItems).toBe(1);
  });
});

describe('nothing waits for what cannot come', () => {
  test('a batch larger than every room before it', async () => {
    const flow = docs(12_345, { chunk: 64 }).pipe(
      mapAsync((doc: Doc) => doc, { room: { items: 8 } }),
      batch({ items: 5000 }),
      mapAsync(soon, { room: { items: 1 } }),
    );
    expect(await count(flow)).toBe(3);
  });

  test('a plain bufferCount larger than every room before it', async () => {
    const flow = docs(12_345, { chunk: 64 }).pipe(
      mapAsync(soon, { concurrency: 8, room: { items: 8 } }),
      bufferCount(5000),
      mapAsync(soon, { room: { items: 1 } }),
    );
    expect(await count(flow)).toBe(3);
  });

  test('batches by bytes in front of a slow stage: at most the one that fills and the one at work', async () => {
    const live = new Live();
    let largest = 0;
    const flow = docs(1500, { bytes: wildSize }).pipe(
      map(live.born),
      batch({ bytes: 8 << 20, sizeOf: (doc) => doc.bytes }),
      mapAsync(
        async (rows) => {
          await soon(rows);
          largest = Math.max(
            largest,
            rows.reduce((sum, doc) => sum + doc.bytes, 0),
          );
          for (const doc of rows) live.dies(doc);
        },
        { room: { items: 1 } },
      ),
    );
    await count(flow);
    expect(largest).toBeLessThanOrEqual(8 << 20);
    expect(live.peakBytes).toBeLessThanOrEqual(2 * (8 << 20) + (1 << 20));
  });

  test('500 asynchronous stages in a row, without growing the stack', async () => {
    let flow: Observable<Doc> = docs(20, { chunk: 4 });
    for (let i = 0; i < 500; i++)
      flow = flow.pipe(mapAsync((doc: Doc) => (i % 2 === 0 ? doc : Promise.resolve(doc)), { room: { items: 2 } }));
    expect((await count(flow)) === 20).toBe(true);
  });
});

test('batches fall the same way however long every task takes', async () => {
  const once = async (seed: number): Promise<string> => {
    let state = seed;
    const wait = async <T>(value: T): Promise<T> => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      for (let turns = state % 4; turns > 0; turns--) await turn();
      return value;
    };
    const cuts: string[] = [];
    const flow = docs(800, { chunk: 7, bytes: wildSize }).pipe(
      mapAsync(wait, { concurrency: 8 }),
      batch({ items: 40, bytes: 4 << 20, sizeOf: (doc) => doc.bytes }),
      mapAsync(wait, { concurrency: 3 }),
    );
    for await (const rows of iterate(flow)) cuts.push(`${rows[0]?.id}+${rows.length}`);
    return cuts.join(' ');
  };
  const first = await once(1);
  expect(first.split(' ').length).toBeGreaterThan(50);
  for (const seed of [2, 3, 4]) expect(await once(seed)).toBe(first);
});
