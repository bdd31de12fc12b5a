import { concat, defer, of } from 'rxjs';
import { describe, expect, test } from 'vitest';
import {
  batch,
  capture,
  carriedSlot,
  consume,
  currentMonitor,
  drain,
  type FlowMonitor,
  flatMap,
  iterate,
  mapAsync,
  monitored,
  pull,
  transduce,
} from '../../src/flow/index.ts';
import { currentRun, withRun } from '../../src/run/context.ts';
import { collect, docs, Live, numbers, Seen } from './helpers.ts';

describe('stages register when they are subscribed, the last one first', () => {
  test('with what they were given', async () => {
    const seen = new Seen();
    const flow = pull(() => [[1, 2]], { name: 'read', holds: 100, options: { path: 'x' } }).pipe(
      transduce<number, number>(() => ({ next: (n) => [n] }), { name: 'cut', holds: 7 }),
      batch({ items: 2, bytes: 50, sizeOf: () => 1 }),
      flatMap((values) => of(...values)),
      mapAsync(async (n) => n, {
        name: 'embed',
        concurrency: 3,
        room: { bytes: 10 },
        sizeOf: () => 1,
        holds: 5,
        weight: 2,
        least: 3,
        options: { dim: 4 },
      }),
    );
    await seen.run(() => consume(flow, () => {}, { name: 'write' }));
    expect(seen.infos).toEqual([
      { name: 'write', kind: 'sink', room: { items: 2 } },
      {
        name: 'embed',
        kind: 'operator',
        room: { items: 6, bytes: 10 },
        holds: 5,
        weight: 2,
        least: 3,
        options: { dim: 4 },
      },
      { name: 'flatMap', kind: 'operator', room: { items: 1 }, weight: 0 },
      { name: 'batch', kind: 'operator', room: { items: 1 }, weight: 0, holds: 50, options: { items: 2, bytes: 50 } },
      { name: 'cut', kind: 'operator', room: { items: 1 }, weight: 0, holds: 7 },
      { name: 'read', kind: 'source', room: {}, weight: 0, holds: 100, options: { path: 'x' } },
    ]);
    for (const name of ['write', 'embed', 'batch', 'cut', 'read']) expect(seen.inlet(name).received).toBe(2);
    expect(seen.inlet('flatMap').received).toBe(1);
  });

  test('iterate registers with the monitor under which it was called, though it subscribes later', async () => {
    const seen = new Seen();
    const values = seen.run(() => iterate(numbers(2), { name: 'out' }));
    expect(seen.infos).toEqual([]);
    await values.next();
    expect(seen.infos.map((info) => info.name)).toEqual(['out']);
    await values.return?.();
  });

  test('no monitor is left behind', () => {
    expect(() =>
      monitored(new Seen(), () => {
        throw new Error('no');
      }),
    ).toThrow('no');
    expect(currentMonitor()).toBeUndefined();
  });
});

test('the room that the monitor grants is the bound', async () => {
  const live = new Live();
  const frugal: FlowMonitor = { strict: true, stage: () => ({ room: { items: 2, bytes: 1500 }, watch: () => {} }) };
  const flow = docs(60).pipe(
    transduce<{ id: number; bytes: number }, { bytes: number }>(() => ({ next: (doc) => [live.born(doc)] })),
    mapAsync(live.slowly, { concurrency: 8, room: { items: 100, bytes: 1e6 }, sizeOf: (doc) => doc.bytes }),
  );
  await monitored(frugal, () => drain(flow));
  expect(live.peak).toBe(2);
});

describe('flows that are subscribed later belong to the same monitor and run', () => {
  const run = { reject() {} };
  const inner = (seenRuns: unknown[]) =>
    defer(() => {
      seenRuns.push(currentRun());
      return pull(() => [[1]], { name: `inner ${seenRuns.length}` });
    });

  test('inner flows of flatMap, the next flow of concat', async () => {
    const seen = new Seen();
    const runs: unknown[] = [];
    const flow = concat(
      pull(() => [['a', 'b']]).pipe(flatMap(() => inner(runs))),
      mapAsync(async (n: number) => n)(inner(runs)),
      inner(runs),
    );
    const done = withRun(run, () => seen.run(() => collect(flow)));
    expect(currentRun()).toBeUndefined();
    expect(await done).toEqual([1, 1, 1, 1]);
    expect(runs).toEqual([run, run, run, run]);
    expect([...seen.inlets.keys()].filter((name) => name.startsWith('inner'))).toEqual([
      'inner 1',
      'inner 2',
      'inner 3',
      'inner 4',
    ]);
    expect([currentMonitor(), currentRun()]).toEqual([undefined, undefined]);
  });

  test('a captured context is put back after use', () => {
    const slot = carriedSlot<{ value: number | undefined }>('sluice.test', { value: undefined });
    slot.value = 1;
    const within = capture();
    slot.value = 2;
    expect(within(() => slot.value)).toBe(1);
    expect(slot.value).toBe(2);
    slot.value = undefined;
  });
});
