import { concat, of, throwError } from 'rxjs';
import { expect, test } from 'vitest';
import { iterate, mapAsync } from '../../src/flow/index.ts';
import { eventually, numbers, Seen, Source, sleep } from './helpers.ts';

test('delivers every value in order, undefined too', async () => {
  const got: unknown[] = [];
  for await (const value of iterate(concat(numbers(3), of(undefined)))) got.push(value);
  expect(got).toEqual([0, 1, 2, undefined]);
});

test('subscribes with the first next, and never more than the room is queued', async () => {
  const source = new Source();
  const seen = new Seen();
  const values = seen.run(() => iterate(source.flow(100, { chunk: 1 }), { room: { items: 3 } }));
  await sleep(2);
  expect(source.pulled).toBe(0);
  expect(await values.next()).toMatchObject({ done: false, value: { id: 0 } });
  await sleep(2);
  expect(seen.inlet('iterate')).toMatchObject({ items: 3, full: true, held: 1 });
  expect(source.pulled).toBe(3);
  await values.return?.();
  await eventually(() => source.closed === 1);
});

test('a room in bytes counts what the consumer has in hand', async () => {
  const seen = new Seen();
  const values = seen.run(() => iterate(numbers(50, 1), { room: { items: 100, bytes: 30 }, sizeOf: () => 10 }));
  for (let i = 0; i < 20; i++) await values.next();
  expect(seen.inlet('iterate').peakBytes).toBeLessThanOrEqual(30);
  await values.return?.();
});

test('values that came before an error come first, then it is thrown once', async () => {
  const flow = concat(
    of(1, 2),
    throwError(() => new Error('wrong')),
  );
  const values = iterate(flow, { room: { items: 4 } });
  expect(await values.next()).toEqual({ done: false, value: 1 });
  expect(await values.next()).toEqual({ done: false, value: 2 });
  await expect(values.next()).rejects.toThrow('wrong');
  expect(await values.next()).toEqual({ done: true, value: undefined });
});

test('several next at once are answered in order', async () => {
  const values = iterate(numbers(3));
  const results = await Promise.all([values.next(), values.next(), values.next(), values.next()]);
  expect(results.map((result) => result.value)).toEqual([0, 1, 2, undefined]);
});

test('leaving the loop closes the source', async () => {
  const source = new Source();
  for await (const doc of iterate(source.flow(1000))) if (doc.id === 5) break;
  await eventually(() => source.closed === 1);
});

test('return answers a next that would wait for ever', async () => {
  const values = iterate(numbers(1).pipe(mapAsync(() => new Promise<never>(() => {}))));
  const waiting = values.next();
  expect(await values.return?.()).toEqual({ done: true, value: undefined });
  expect(await waiting).toEqual({ done: true, value: undefined });
});

test('an iterator that is returned before its first next never subscribes', async () => {
  const source = new Source();
  const values = iterate(source.flow(10));
  await values.return?.();
  expect(await values.next()).toEqual({ done: true, value: undefined });
  await sleep(2);
  expect(source.pulled).toBe(0);
});
