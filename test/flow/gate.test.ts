import { map, Observable } from 'rxjs';
import { expect, test, vi } from 'vitest';
import { currentGate, Gate, type Holdable, mapAsync, transduce } from '../../src/flow/index.ts';
import { collect, count, docs, Live, numbers, Seen } from './helpers.ts';

test('a gate opens when the last of its holders lets go', () => {
  const opened = vi.fn();
  const gate = new Gate(opened);
  gate.hold();
  gate.hold();
  gate.release();
  expect([gate.open, opened.mock.calls.length]).toEqual([false, 0]);
  gate.release();
  expect([gate.open, opened.mock.calls.length]).toEqual([true, 1]);
});

test('the gate is named during a delivery only, and the outer one is named again after an inner one', () => {
  const named: (Holdable | undefined)[] = [];
  const outer = new Gate(() => {});
  const inner = new Gate(() => {});
  new Observable<string>((out) => {
    new Observable<string>((nested) => {
      outer.next(nested, 'a');
      named.push(currentGate());
    }).subscribe((value) => {
      named.push(currentGate());
      inner.next(out, value);
      named.push(currentGate());
    });
  }).subscribe(() => named.push(currentGate()));
  expect(named).toEqual([outer, inner, outer, undefined]);
});

test('a task is no part of the delivery that brings its value', async () => {
  const named: unknown[] = [];
  await collect(numbers(3).pipe(mapAsync(async () => void named.push(currentGate()))));
  expect(named).toEqual([undefined, undefined, undefined]);
});

test('two copies of the package in one flow hold each other', async () => {
  vi.resetModules();
  const copy = await import('../../src/flow/index.ts');
  expect(copy.mapAsync).not.toBe(mapAsync);
  const live = new Live();
  const flow = docs(100).pipe(
    map(live.born),
    copy.mapAsync(live.slowly, { name: 'copy', room: { items: 4 }, strict: true }),
    mapAsync(async (doc) => doc, { room: { items: 2 }, strict: true }),
  );
  const seen = new Seen();
  expect(await seen.run(() => count(flow))).toBe(100);
  expect(live.peak).toBeLessThanOrEqual(4 + 1);
  // the copy registers with the same monitor
  expect(seen.inlet('copy').received).toBe(100);
});

test.each([
  ['a source without end', () => numbers(1e9, 1 << 20)],
  ['a fan-out without end', () => numbers(1).pipe(transduce(() => ({ next: () => endless() })))],
  [
    'a fan-out whose values are slow to make',
    () => numbers(1).pipe(transduce(() => ({ next: () => endless(() => busy(1)) }))),
  ],
])(
  'timers beat beside %s that never sleeps',
  async (_, source) => {
    let beats = 0;
    const beat = setInterval(() => beats++, 5);
    const subscription = source()
      .pipe(mapAsync(async (n) => n, { concurrency: 4 }))
      .subscribe();
    // the machine may be busy with other things: only that they beat on is certain
    await vi.waitUntil(() => beats > 5, { timeout: 20_000, interval: 20 });
    subscription.unsubscribe();
    clearInterval(beat);
  },
  30_000,
);

function* endless(before = (): void => {}): Generator<number> {
  for (let n = 0; ; n++) {
    before();
    yield n;
  }
}

function busy(milliseconds: number): void {
  const until = performance.now() + milliseconds;
  while (performance.now() < until);
}
