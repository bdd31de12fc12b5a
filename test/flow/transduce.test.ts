import { mergeMap, Observable, of, Subject, take } from 'rxjs';
import { describe, expect, test } from 'vitest';
import { drain, mapAsync, type Step, transduce } from '../../src/flow/index.ts';
import { collect, eventually, numbers, Seen, sleep } from './helpers.ts';

const repeat = (n: number) => transduce<number, number>(() => ({ next: (x) => Array.from({ length: n }, () => x) }));

test('one value to none, one or many, then what is left at the end', async () => {
  const flow = numbers(5).pipe(
    transduce<number, string>(() => {
      let sum = 0;
      return {
        next(n) {
          sum += n;
          return n % 2 === 0 ? Array.from({ length: n }, () => `${n}`) : undefined;
        },
        flush: () => [`sum ${sum}`],
      };
    }),
  );
  expect(await collect(flow)).toEqual(['2', '2', '4', '4', '4', '4', 'sum 10']);
});

test('every subscription has its own state', async () => {
  const flow = numbers(3).pipe(
    transduce<number, number>(() => {
      let sum = 0;
      return {
        next(n) {
          sum += n;
          return [sum];
        },
      };
    }),
  );
  expect(await Promise.all([collect(flow), collect(flow)])).toEqual([
    [0, 1, 3],
    [0, 1, 3],
  ]);
});

test('undefined is a value', async () => {
  expect(
    await collect(numbers(2).pipe(transduce(() => ({ next: () => [undefined], flush: () => [undefined] })))),
  ).toEqual([undefined, undefined, undefined]);
});

test('makes values only as there is room for them', async () => {
  let made = 0;
  const flow = numbers(10).pipe(
    transduce<number, number>(() => ({
      *next(n) {
        for (let k = 0; k < 1000; k++) {
          made++;
          yield n;
        }
      },
    })),
    mapAsync(() => new Promise<never>(() => {}), { room: { items: 3 } }),
  );
  const subscription = flow.subscribe();
  await sleep(10);
  subscription.unsubscribe();
  expect(made).toBe(3);
});

test('keeps its source waiting with one value in hand, and a burst of its source in order', async () => {
  const seen = new Seen();
  const flow = numbers(50).pipe(
    mergeMap((n) => of(n, n + 0.25, n + 0.5)),
    transduce<number, number>(() => ({ next: (n) => [n, n] }), { name: 'twice' }),
    mapAsync(async (n) => n, { room: { items: 1 } }),
  );
  const values = await seen.run(() => collect(flow));
  expect(values).toEqual(Array.from({ length: 300 }, (_, i) => Math.floor(i / 6) + 0.25 * (Math.floor(i / 2) % 3)));
  expect(seen.inlet('twice').peakItems).toBeLessThanOrEqual(3);
  expect([seen.inlet('twice').items, seen.inlet('twice').received]).toEqual([0, 150]);
});

test('a value that arrives while the step is handing on waits its turn', async () => {
  const values = new Subject<number>();
  const got: number[] = [];
  values.pipe(repeat(2)).subscribe((n) => {
    got.push(n);
    if (n < 4 && got.length % 2 === 1) values.next(n + 1);
  });
  values.next(1);
  await eventually(() => got.length === 8);
  expect(got).toEqual([1, 1, 2, 2, 3, 3, 4, 4]);
});

test('a push source passes as long as everything behind it is synchronous', () => {
  const values = new Subject<number>();
  const got: number[] = [];
  values.pipe(repeat(2)).subscribe((n) => got.push(n));
  for (let n = 0; n < 1000; n++) values.next(n);
  expect(got).toHaveLength(2000);
});

describe('a generator is returned', () => {
  const generator = (log: string[], end?: () => void): Step<number, number> => ({
    *next(n) {
      try {
        end?.();
        for (;;) yield n;
      } finally {
        log.push('returned');
      }
    },
  });

  test('when the flow is left after one of its values', async () => {
    const log: string[] = [];
    expect(
      await collect(
        numbers(3).pipe(
          transduce(() => generator(log)),
          take(2),
        ),
      ),
    ).toEqual([0, 0]);
    expect(log).toEqual(['returned']);
  });

  test('when the flow is left while it waits for room', async () => {
    const log: string[] = [];
    const flow = numbers(3).pipe(
      transduce(() => generator(log)),
      mapAsync(() => new Promise<never>(() => {}), { room: { items: 1 } }),
    );
    const subscription = flow.subscribe();
    await sleep(5);
    subscription.unsubscribe();
    expect(log).toEqual(['returned']);
  });

  test('when it leaves the flow itself', () => {
    const log: string[] = [];
    const values = new Subject<number>();
    const subscription = values.pipe(transduce(() => generator(log, () => subscription.unsubscribe()))).subscribe();
    values.next(1);
    expect(log).toEqual(['returned']);
  });
});

describe('what a step throws fails the flow', () => {
  const fail = (): never => {
    throw new Error('bad step');
  };
  const steps: [string, () => Step<number, number>][] = [
    ['making it', fail],
    ['next', () => ({ next: fail })],
    [
      'iterating',
      () => ({
        *next() {
          yield 1;
          fail();
        },
      }),
    ],
    ['flush', () => ({ next: () => undefined, flush: fail })],
    ['a value that is not iterable', () => ({ next: () => JSON.parse('5') })],
  ];
  test.each(steps)('%s', async (_, make) => {
    await expect(drain(numbers(3).pipe(transduce(make)))).rejects.toThrow(/bad step|iterable|is not a function/);
  });
});

test('the end of the flow ends a source that emits without pause', () => {
  let made = 0;
  const endless = new Observable<number>((out) => {
    while (!out.closed && made < 100) out.next(made++);
  });
  const got: number[] = [];
  endless.pipe(repeat(1), take(3)).subscribe((n) => got.push(n));
  expect([got, made]).toEqual([[0, 1, 2], 3]);
});
