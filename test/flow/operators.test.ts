import {
  asyncScheduler,
  auditTime,
  bufferCount,
  catchError,
  concatMap,
  concatWith,
  connect,
  delayWhen,
  distinctUntilChanged,
  endWith,
  filter,
  finalize,
  groupBy,
  map,
  merge,
  mergeMap,
  mergeWith,
  type Observable,
  type OperatorFunction,
  of,
  pairwise,
  reduce,
  repeat,
  retry,
  scan,
  share,
  skip,
  startWith,
  subscribeOn,
  take,
  takeLast,
  takeWhile,
  tap,
  throwError,
  timeout,
  timer,
  windowCount,
  withLatestFrom,
  zip,
} from 'rxjs';
import { describe, expect, test } from 'vitest';
import { drain, FlowControlError, flatMap, mapAsync, pull } from '../../src/flow/index.ts';
import { collect, numbers, sleep } from './helpers.ts';

/** Values 0 to 59, one by one. */
const source = (made = (): void => {}): Observable<number> =>
  pull(function* () {
    for (let n = 0; n < 60; n++) {
      made();
      yield [n];
    }
  });

/** How many values are made while the stage behind the operator stands still. */
async function madeBefore(operator: OperatorFunction<number, unknown>): Promise<number> {
  let made = 0;
  const stuck = mapAsync(() => new Promise<never>(() => {}), { room: { items: 2 }, strict: true });
  const subscription = source(() => made++)
    .pipe(operator, stuck)
    .subscribe();
  await sleep(10);
  subscription.unsubscribe();
  return made;
}

const through = mapAsync((value: unknown) => sleep(0, value), { room: { items: 2 }, strict: true });
const all = Array.from({ length: 60 }, (_, n) => n);
describe('plain RxJS operators that are safe between stages: the values of an array program, and nothing pulled ahead', () => {
  const safe: [string, OperatorFunction<number, unknown>, readonly unknown[]][] = [
    ['map', map((n) => n + 1), all.map((n) => n + 1)],
    ['filter', filter((n) => n % 2 === 0), all.filter((n) => n % 2 === 0)],
    ['scan', scan((a, n) => a + n, 0), all.map((n) => (n * (n + 1)) / 2)],
    [
      'tap, finalize',
      (s) =>
        s.pipe(
          tap(),
          finalize(() => {}),
        ),
      all,
    ],
    ['distinctUntilChanged', distinctUntilChanged((a, b) => a >> 1 === b >> 1), all.filter((n) => n % 2 === 0)],
    ['pairwise', pairwise(), all.slice(1).map((n) => [n - 1, n])],
    ['take, skip', (s) => s.pipe(skip(3), take(10)), all.slice(3, 13)],
    ['takeWhile', takeWhile((n) => n < 20), all.slice(0, 20)],
    ['takeLast', takeLast(3), [57, 58, 59]],
    ['reduce', reduce((a, n) => a + n, 0), [1770]],
    ['bufferCount', bufferCount(20), [all.slice(0, 20), all.slice(20, 40), all.slice(40)]],
    ['startWith, endWith', (s) => s.pipe(startWith(-1), endWith(60)), [-1, ...all, 60]],
    ['concatWith', concatWith(numbers(2)), [...all, 0, 1]],
    ['repeat', (s) => s.pipe(take(5), repeat(2)), [...all.slice(0, 5), ...all.slice(0, 5)]],
    [
      'catchError',
      (s) =>
        s.pipe(
          concatWith(throwError(() => 1)),
          catchError(() => numbers(2)),
        ),
      [...all, 0, 1],
    ],
    ['retry', retry(2), all],
    ['timeout', timeout(5000), all],
    ['share', share(), all],
    [
      'connect, merge',
      connect((s) => merge(s.pipe(filter((n) => n % 2 === 0)), s.pipe(filter((n) => n % 2 === 1)))),
      all,
    ],
    ['mergeMap over what emits at once', mergeMap((n) => of(n, n)), all.flatMap((n) => [n, n])],
    ['concatMap over what emits at once', concatMap((n) => of(n, n)), all.flatMap((n) => [n, n])],
    [
      'groupBy, merged at once',
      (s) =>
        s.pipe(
          groupBy((n) => n % 3),
          mergeMap((group) => group),
        ),
      all,
    ],
    ['withLatestFrom', withLatestFrom(of('x')), all.map((n) => [n, 'x'])],
    [
      'windowCount, merged at once',
      (s) =>
        s.pipe(
          windowCount(7),
          mergeMap((window) => window),
        ),
      all,
    ],
    ['subscribeOn', subscribeOn(asyncScheduler), all],
  ];
  test.each(safe)('%s', async (name, operator, values) => {
    expect(await collect(source().pipe(operator, through))).toEqual(values);
    // operators that make one value of many let their source go on meanwhile
    if (!['reduce', 'takeLast', 'bufferCount'].includes(name))
      expect(await madeBefore(operator)).toBeLessThanOrEqual(7);
  });

  test('mergeWith: each source is held by itself', async () => {
    const both = source().pipe(mergeWith(numbers(60).pipe(map((n) => n + 100))));
    const values = (await collect(both.pipe(through))) as number[];
    expect(values.filter((n) => n < 100)).toEqual(all);
    expect(values.filter((n) => n >= 100)).toEqual(all.map((n) => n + 100));
  });
});

describe('operators that emit later are refused', () => {
  const late: [string, OperatorFunction<number, unknown>][] = [
    ['auditTime', auditTime(1)],
    ['delayWhen', delayWhen(() => timer(1))],
  ];
  test.each(late)('%s', async (_, operator) => {
    await expect(drain(source().pipe(operator, through))).rejects.toBeInstanceOf(FlowControlError);
  });
});

describe('known holes: queues that no stage can see', () => {
  // these tests show what lint must forbid; should one fail because the queue is gone, the docs can be relaxed
  const slow = mapAsync(() => new Promise<never>(() => {}), { room: { items: 1 }, strict: true });
  const pulledBehind = async (make: (source: Observable<number>) => Observable<unknown>): Promise<number> => {
    let pulled = 0;
    const source = numbers(2000, 1).pipe(tap(() => pulled++));
    const subscription = make(source).pipe(slow).subscribe();
    await sleep(50);
    subscription.unsubscribe();
    return pulled;
  };

  test('zip queues the faster side', async () => {
    expect(await pulledBehind((source) => zip(source, numbers(2000).pipe(filter((n) => n === 0))))).toBe(2000);
  });

  test('mergeMap and concatMap over gated flows queue the outer values; flatMap does not', async () => {
    const inner = () => numbers(10);
    expect(await pulledBehind(mergeMap(inner, 1))).toBe(2000);
    expect(await pulledBehind(concatMap(inner))).toBe(2000);
    expect(await pulledBehind(flatMap(inner))).toBe(1);
  });
});
