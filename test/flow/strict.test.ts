import {
  asyncScheduler,
  concat,
  concatMap,
  delay,
  EMPTY,
  from,
  interval,
  mergeMap,
  type Observable,
  type OperatorFunction,
  observeOn,
  of,
  Subject,
  startWith,
  take,
  timer,
} from 'rxjs';
import { describe, expect, test } from 'vitest';
import {
  batch,
  consume,
  drain,
  FlowControlError,
  flatMap,
  iterate,
  mapAsync,
  pull,
  transduce,
} from '../../src/flow/index.ts';
import { collect, numbers, Seen, sleep } from './helpers.ts';

const failure = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  );

describe('a foreign push source', () => {
  test('fails loudly when the room is full, and nothing grows', async () => {
    const hot = new Subject<number>();
    const seen = new Seen();
    const failed = failure(
      seen.run(() => drain(hot.pipe(mapAsync(() => sleep(1), { name: 'embed', room: { items: 4 } })))),
    );
    for (let i = 0; i < 100; i++) hot.next(i);
    expect(await failed).toBeInstanceOf(FlowControlError);
    expect(await failed).toMatchObject({ code: 'UNGATED', stage: 'embed', hint: expect.stringContaining('mapAsync') });
    expect(seen.inlet('embed').peakItems).toBe(4);
    expect(hot.observed).toBe(false);
  });

  test('passes while there is room', async () => {
    expect(
      await collect(
        interval(1).pipe(
          mapAsync(async (n) => n, { room: { items: 4 } }),
          take(3),
        ),
      ),
    ).toEqual([0, 1, 2]);
  });
});

describe('strict finds an asynchronous RxJS operator at the first value', () => {
  const foreign: [string, OperatorFunction<number, number>][] = [
    ['concatMap(flow)', concatMap((n) => of(n).pipe(delay(1)))],
    ['concatMap(promise)', concatMap(async (n) => n)],
    ['mergeMap(promise)', mergeMap(async (n) => n, 2)],
    ['delay', delay(1)],
    ['observeOn', observeOn(asyncScheduler)],
  ];
  const stages: [string, OperatorFunction<number, unknown>][] = [
    ['mapAsync', mapAsync(async (n) => n, { name: 'stage', strict: true })],
    ['flatMap', flatMap((n) => [n], { name: 'stage', strict: true })],
    ['transduce', transduce(() => ({ next() {} }), { name: 'stage', strict: true })],
    ['batch', batch({ items: 1000, name: 'stage', strict: true })],
    ['iterate', (flow) => pull(() => ones(iterate(flow, { name: 'stage', strict: true })))],
  ];
  for (const [operator, foreignly] of foreign) {
    for (const [stage, gated] of stages) {
      test(`${operator} before ${stage}`, async () => {
        const got: unknown[] = [];
        const flow = numbers(1000).pipe(foreignly, gated);
        const failed = await failure(
          new Promise<void>((resolve, reject) =>
            flow.subscribe({ next: (v) => got.push(v), error: reject, complete: resolve }),
          ),
        );
        expect(failed).toBeInstanceOf(FlowControlError);
        expect(failed).toMatchObject({ stage: 'stage' });
        expect(got).toEqual([]);
      });
    }
  }

  test('inside flatMap, where an inner flow delivers later without a gate', async () => {
    const flow = numbers(10).pipe(flatMap(() => timer(1), { name: 'rows', strict: true }));
    expect(await failure(drain(flow))).toMatchObject({ code: 'UNGATED', stage: 'rows' });
  });

  test('the monitor decides where the stage does not', async () => {
    const flow = numbers(10).pipe(
      delay(1),
      transduce<number, number>(() => ({ next: (n) => [n] })),
      mapAsync(async (n) => n),
    );
    expect(await collect(flow)).toHaveLength(10);
    expect(await failure(new Seen(true).run(() => drain(flow)))).toBeInstanceOf(FlowControlError);
    expect(await failure(new Seen(true).run(() => consume(flow, () => {})))).toBeInstanceOf(FlowControlError);
  });
});

describe('strict leaves alone what is bounded', () => {
  const strict: OperatorFunction<number, number> = mapAsync(async (n) => n, { strict: true, room: { items: 4 } });
  const bounded: [string, Observable<number>, number[]][] = [
    ['startWith', numbers(2).pipe(startWith(-1)), [-1, 0, 1]],
    ['concat behind a gated flow', concat(numbers(2), of(7), EMPTY, numbers(1)), [0, 1, 7, 0]],
    ['of, as many as there is room for', of(1, 2, 3, 4), [1, 2, 3, 4]],
    ['mergeMap over synchronous inner flows', numbers(2).pipe(mergeMap((n) => of(n, n))), [0, 0, 1, 1]],
  ];
  for (const [name, flow, values] of bounded) {
    test(name, async () => {
      expect(await collect(flow.pipe(strict))).toEqual(values);
    });
  }

  test('but not a synchronous push that fills the room', async () => {
    let made = 0;
    const endless = from(
      (function* () {
        for (;;) yield made++;
      })(),
    );
    expect(await failure(drain(endless.pipe(strict)))).toBeInstanceOf(FlowControlError);
    expect(made).toBeLessThanOrEqual(6);
  });
});

async function* ones<T>(values: AsyncIterable<T>): AsyncGenerator<T[]> {
  for await (const value of values) yield [value];
}
