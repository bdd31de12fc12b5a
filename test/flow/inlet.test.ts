import { describe, expect, test } from 'vitest';
import { PipelineError } from '../../src/errors.ts';
import { batch, flatMap, Gate, Inlet, iterate, mapAsync } from '../../src/flow/index.ts';
import { numbers, Seen, sleep } from './helpers.ts';

test('a full room holds every gate that delivers into it until it is half empty', () => {
  const inlet = new Inlet('stage', { items: 4 });
  const [a, b] = [new Gate(() => {}), new Gate(() => {})];
  for (const gate of [a, a, b, a]) gate.run(() => inlet.admit());
  expect([a.open, b.open, inlet.full, inlet.held]).toEqual([false, true, true, 1]);
  b.run(() => inlet.admit());
  expect([a.open, b.open, inlet.items, inlet.held]).toEqual([false, false, 5, 2]);
  inlet.leave();
  inlet.leave();
  expect([a.open, b.open, inlet.full]).toEqual([false, false, false]);
  inlet.leave();
  expect([a.open, b.open, inlet.held, inlet.peakItems, inlet.received]).toEqual([true, true, 0, 5, 5]);
});

test('a stage that is torn down lets go of everybody', () => {
  const inlet = new Inlet('stage', { items: 1 });
  const gate = new Gate(() => {});
  gate.run(() => inlet.admit());
  inlet.close();
  expect([gate.open, inlet.closed]).toEqual([true, true]);
});

test('rounding in fractional sizes never keeps a gate held', () => {
  const inlet = new Inlet('stage', { bytes: 0 });
  const gate = new Gate(() => {});
  gate.run(() => {
    for (const size of [0.1, 0.2, 0.3]) inlet.admit(size);
  });
  for (const size of [0.1, 0.2, 0.3]) inlet.leave(size);
  expect([gate.open, inlet.bytes]).toEqual([true, 0]);
});

describe('limits that cannot work are refused when the operator is made', () => {
  const wrong: [string, () => unknown][] = [
    ['no concurrency', () => mapAsync((x) => x, { concurrency: 0 })],
    ['NaN tasks', () => mapAsync((x) => x, { concurrency: Number.NaN })],
    ['an empty room', () => mapAsync((x) => x, { room: { items: 0 } })],
    ['negative bytes', () => mapAsync((x) => x, { room: { bytes: -1 }, sizeOf: () => 1 })],
    ['bytes that nobody counts', () => mapAsync((x) => x, { room: { bytes: 100 } })],
    ['bytes that nobody counts, iterate', () => iterate(numbers(1), { room: { bytes: 100 } })],
    ['no inner flows', () => flatMap(() => [], { concurrency: 0 })],
    ['a batch without limit', () => batch({})],
    ['a batch in bytes that nobody counts', () => batch({ bytes: 100 })],
  ];
  test.each(wrong)('%s', (_, make) => {
    expect(make).toThrow(PipelineError);
    expect(make).toThrow(expect.objectContaining({ code: 'BAD_LIMIT' }));
  });
});

test('a flow that stands still can be explained stage by stage', async () => {
  const seen = new Seen();
  const flow = numbers(100).pipe(
    mapAsync(async (n) => n, { name: 'first', concurrency: 2, room: { items: 4 } }),
    mapAsync(() => new Promise<never>(() => {}), { name: 'stuck', room: { items: 3, bytes: 1000 }, sizeOf: () => 10 }),
  );
  const subscription = seen.run(() => flow.subscribe());
  await sleep(20);
  const state = (name: string) => {
    const { items, bytes, running, full, held, blocked, received } = seen.inlet(name);
    return { items, bytes, running, full, held, blocked, received };
  };
  expect(state('first')).toEqual({ items: 4, bytes: 0, running: 0, full: true, held: 1, blocked: true, received: 7 });
  expect(state('stuck')).toEqual({ items: 3, bytes: 30, running: 1, full: true, held: 1, blocked: false, received: 3 });
  subscription.unsubscribe();
  expect([seen.inlet('first').held, seen.inlet('stuck').held, seen.inlet('stuck').closed]).toEqual([0, 0, true]);
});
