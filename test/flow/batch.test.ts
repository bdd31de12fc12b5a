import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { batch, drain, pull } from '../../src/flow/index.ts';
import { collect, numbers, Seen } from './helpers.ts';

const sizeOf = (n: number): number => n;
const batches = (
  values: readonly number[],
  options: { items?: number | undefined; bytes?: number | undefined },
): Promise<number[][]> => collect(pull(() => [values]).pipe(batch({ ...options, sizeOf })));

test('cuts by count; the last batch is what is left', async () => {
  expect(await collect(numbers(7).pipe(batch({ items: 3 })))).toEqual([[0, 1, 2], [3, 4, 5], [6]]);
  expect(await collect(numbers(6).pipe(batch({ items: 3 })))).toEqual([
    [0, 1, 2],
    [3, 4, 5],
  ]);
  expect(await collect(numbers(0).pipe(batch({ items: 3 })))).toEqual([]);
});

describe('in bytes', () => {
  test('a value that would exceed the limit begins the next batch', async () => {
    expect(await batches([4, 4, 4, 2, 10, 1], { bytes: 10 })).toEqual([[4, 4], [4, 2], [10], [1]]);
  });

  test('a value larger than the limit is alone in its batch', async () => {
    expect(await batches([1, 50, 1, 1, 60, 70], { bytes: 10 })).toEqual([[1], [50], [1, 1], [60], [70]]);
  });

  test('values without bytes never cut', async () => {
    expect(await batches([0, 0, 0, 5, 0], { bytes: 5 })).toEqual([[0, 0, 0, 5], [0]]);
  });
});

test('any values: nothing lost, no limit exceeded, no batch empty or cut too early', async () => {
  const limits = fc.oneof(
    fc.record({ items: fc.integer({ min: 1, max: 9 }), bytes: fc.constant(undefined) }),
    fc.record({
      items: fc.option(fc.integer({ min: 1, max: 9 }), { nil: undefined }),
      bytes: fc.integer({ min: 1, max: 40 }),
    }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(50), { maxLength: 60 }), limits, async (values, { items, bytes }) => {
      const cut = await batches(values, { items, bytes });
      expect(cut.flat()).toEqual(values);
      const sum = (batch: number[]): number => batch.reduce((a, b) => a + b, 0);
      cut.forEach((batch, i) => {
        expect(batch.length).toBeGreaterThan(0);
        if (items !== undefined) expect(batch.length).toBeLessThanOrEqual(items);
        if (bytes !== undefined && batch.length > 1) expect(sum(batch)).toBeLessThanOrEqual(bytes);
        const next = cut[i + 1]?.[0];
        if (next === undefined) return;
        const full =
          batch.length === items || (bytes !== undefined && (sum(batch) >= bytes || sum(batch) + next > bytes));
        expect(full).toBe(true);
      });
    }),
    { numRuns: 200 },
  );
});

test('a size that is no number fails the flow', async () => {
  const flow = numbers(3).pipe(batch({ bytes: 10, sizeOf: () => Number.NaN }));
  await expect(drain(flow)).rejects.toMatchObject({ code: 'BAD_SIZE' });
});

test('says how many bytes it may hold', async () => {
  const seen = new Seen();
  await seen.run(() => drain(numbers(3).pipe(batch({ bytes: 10, sizeOf }), batch({ items: 2 }))));
  expect(seen.infos.map(({ name, holds }) => ({ name, holds }))).toEqual([
    { name: 'batch', holds: undefined },
    { name: 'batch', holds: 10 },
  ]);
});
