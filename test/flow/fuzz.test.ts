import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { bufferCount, connect, filter, from, map, merge, mergeMap, type Observable, of, scan, take } from 'rxjs';
import { describe, expect, test } from 'vitest';
import { batch, flatMap, type Inlet, iterate, mapAsync, monitored, pull, transduce } from '../../src/flow/index.ts';
import { eventually } from './helpers.ts';

/**
 * Random flows of gated stages and plain RxJS operators against the same program on arrays: equal values in order,
 * rooms within their bound, the source closed exactly once, no stall. `SLUICE_FUZZ_FLOWS=20000` runs more of them.
 */
const FLOWS = Number(process.env.SLUICE_FUZZ_FLOWS ?? 300);
const SEEDS = [1, 20, 300];
/** Values a flow may grow to; beyond it the flow takes this many and ends. */
const MOST = 2000;

type Stage =
  | { readonly kind: 'filter' | 'burst' | 'lazy' | 'inner' | 'bufferCount'; readonly n: number }
  | { readonly kind: 'map' | 'scan' | 'rest' }
  | { readonly kind: 'async'; readonly concurrency: number; readonly items: number; readonly bytes: number }
  | { readonly kind: 'batch'; readonly items: number; readonly bytes: number };
type End = { readonly kind: 'all' | 'tee' | 'iterate' } | { readonly kind: 'take' | 'fail'; readonly at: number };

const upTo = (max: number, min = 1) => fc.integer({ min, max });
const stage: fc.Arbitrary<Stage> = fc.oneof(
  fc.record({ kind: fc.constant('filter' as const), n: upTo(6, 2) }),
  fc.record({ kind: fc.constant('burst' as const), n: upTo(4) }),
  fc.record({ kind: fc.constant('lazy' as const), n: upTo(4, 0) }),
  fc.record({ kind: fc.constant('inner' as const), n: upTo(4, 0) }),
  fc.record({ kind: fc.constant('bufferCount' as const), n: upTo(150) }),
  fc.constantFrom({ kind: 'map' as const }, { kind: 'scan' as const }, { kind: 'rest' as const }),
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('async' as const),
      concurrency: upTo(6),
      items: upTo(9),
      bytes: upTo(60),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('batch' as const), items: upTo(150), bytes: upTo(900) }) },
);
const end: fc.Arbitrary<End> = fc.oneof(
  { weight: 3, arbitrary: fc.constant({ kind: 'all' as const }) },
  fc.constantFrom({ kind: 'tee' as const }, { kind: 'iterate' as const }),
  fc.record({ kind: fc.constantFrom('take' as const, 'fail' as const), at: fc.nat(MOST) }),
);
const flow = fc.record({
  count: fc.nat(300),
  chunk: upTo(40),
  stages: fc.array(stage, { minLength: 1, maxLength: 8, size: 'max' }),
  end,
  timing: fc.nat(),
});

const sizeOf = (x: number): number => Math.abs(x) % 13;
const total = (values: readonly number[]): number => values.reduce((sum, x) => (sum + x) | 0, 0);

/** Random but repeatable delays: none, a microtask, a turn of the event loop, rarely a timer. */
function delays(seed: number): () => Promise<unknown> | undefined {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const k = state / 2 ** 32;
    if (k < 0.5) return undefined;
    if (k < 0.8) return Promise.resolve();
    return k < 0.98 ? turn() : sleep(0);
  };
}

/** One stage as an operator and as a function of arrays. */
function both(spec: Stage, pause: () => Promise<unknown> | undefined) {
  switch (spec.kind) {
    case 'filter':
      return {
        operator: filter((x: number) => x % spec.n !== 0),
        model: (v: number[]) => v.filter((x) => x % spec.n !== 0),
      };
    case 'map':
      return { operator: map((x: number) => x + 1), model: (v: number[]) => v.map((x) => x + 1) };
    case 'scan':
      return {
        operator: scan((sum: number, x: number) => (sum + x) | 0, 0),
        model(v: number[]) {
          let sum = 0;
          return v.map((x) => {
            sum = (sum + x) | 0;
            return sum;
          });
        },
      };
    case 'rest':
      return {
        operator: transduce<number, number>(() => {
          const kept: number[] = [];
          return {
            next(x) {
              if (x % 2 === 0) return [x];
              kept.push(x);
              return undefined;
            },
            flush: () => kept,
          };
        }),
        model: (v: number[]) => [...v.filter((x) => x % 2 === 0), ...v.filter((x) => x % 2 !== 0)],
      };
    case 'burst':
    case 'lazy':
    case 'inner': {
      const many = (x: number): number[] => Array.from({ length: spec.n }, (_, i) => (x * spec.n + i) | 0);
      const model = (v: number[]): number[] => v.flatMap(many);
      if (spec.kind === 'burst') return { operator: mergeMap((x: number) => from(many(x))), model };
      if (spec.kind === 'inner') return { operator: flatMap((x: number) => innerFlow(x, many(x), pause)), model };
      const lazily = function* (x: number): Generator<number> {
        yield* many(x);
      };
      return { operator: transduce<number, number>(() => ({ next: lazily })), model };
    }
    case 'bufferCount': {
      const model = (v: number[]): number[] =>
        Array.from({ length: Math.ceil(v.length / spec.n) }, (_, i) => total(v.slice(i * spec.n, (i + 1) * spec.n)));
      return { operator: (source: Observable<number>) => source.pipe(bufferCount(spec.n), map(total)), model };
    }
    case 'async': {
      const { concurrency, items, bytes } = spec;
      const task = async (x: number): Promise<number> => {
        await pause();
        return x ^ 5;
      };
      const operator = mapAsync(task, { name: 'async', concurrency, room: { items, bytes }, sizeOf, strict: true });
      return { operator, model: (v: number[]) => v.map((x) => x ^ 5) };
    }
    case 'batch': {
      const { items, bytes } = spec;
      const slowly = async (values: number[]): Promise<number[]> => {
        await pause();
        return values;
      };
      const operator = (source: Observable<number>): Observable<number> =>
        source.pipe(
          batch({ items, bytes, sizeOf, strict: true }),
          mapAsync(slowly, { name: 'batches', room: { items: 1 }, strict: true }),
          mergeMap((values) => from(values)),
        );
      return { operator, model: (v: number[]) => v };
    }
  }
}

/** Every kind of inner flow has its turn. */
function innerFlow(x: number, values: number[], pause: () => Promise<unknown> | undefined) {
  if (x % 4 === 0) return values;
  if (x % 4 === 1) return of(...values);
  return pull(async function* () {
    for (const value of values) {
      await pause();
      yield [value];
    }
  });
}

/** Values that one delivery can make at most before each asynchronous stage: what the room may be exceeded by. */
function bursts(stages: readonly Stage[]): Map<number, number> {
  const before = new Map<number, number>();
  let burst = 1;
  stages.forEach((spec, i) => {
    if (spec.kind === 'async') before.set(i, burst);
    if (spec.kind === 'burst') burst *= spec.n;
    else if (spec.kind === 'batch') burst = spec.items;
    else if (spec.kind === 'inner') burst = spec.n;
    else if (spec.kind === 'async' || spec.kind === 'lazy' || spec.kind === 'rest') burst = 1;
  });
  return before;
}

async function check(spec: typeof flow extends fc.Arbitrary<infer T> ? T : never): Promise<void> {
  const { count, chunk, stages, timing } = spec;
  const pause = delays(timing);
  let expected = Array.from({ length: count }, (_, i) => i);
  let opened = 0;
  let closed = 0;
  let running: Observable<number> = pull(async function* () {
    opened++;
    try {
      for (let i = 0; i < count; i += chunk) {
        await pause();
        yield Array.from({ length: Math.min(chunk, count - i) }, (_, j) => i + j);
      }
    } finally {
      closed++;
    }
  });
  for (const each of stages) {
    const { operator, model } = both(each, pause);
    running = running.pipe(operator);
    expected = model(expected);
    if (expected.length <= MOST) continue;
    running = running.pipe(take(MOST));
    expected = expected.slice(0, MOST);
  }

  const { end } = spec;
  let failing = false;
  const teed: number[] = [];
  const branch = mapAsync(
    async (x: number) => {
      await pause();
      teed.push(x);
      return x;
    },
    { room: { items: 2 } },
  );
  if (end.kind === 'take' && end.at > 0) {
    running = running.pipe(take(end.at));
    expected = expected.slice(0, end.at);
  } else if (end.kind === 'fail' && end.at < expected.length) {
    failing = true;
    let i = 0;
    const task = async (x: number): Promise<number> => {
      if (i++ === end.at) throw new Error('injected');
      return x;
    };
    running = running.pipe(mapAsync(task, { concurrency: 3 }));
  } else if (end.kind === 'tee') {
    running = running.pipe(
      connect((shared) =>
        merge(
          shared.pipe(
            branch,
            filter(() => false),
          ),
          shared.pipe(mapAsync(async (x) => x, { room: { items: 3 } })),
        ),
      ),
    );
  }

  const asyncInlets: Inlet[] = [];
  const monitor = {
    strict: true,
    stage: ({ name, room }: { name: string; room: object }) => ({
      room,
      watch: (inlet: Inlet) => void (name === 'async' && asyncInlets.unshift(inlet)),
    }),
  };
  const got: number[] = [];
  const finish = monitored(monitor, async () => {
    if (end.kind === 'iterate') {
      for await (const x of iterate(running)) {
        await pause();
        got.push(x);
      }
      return;
    }
    await new Promise<void>((resolve, reject) =>
      running.subscribe({ next: (x) => got.push(x), error: reject, complete: resolve }),
    );
  });
  const deadline = new AbortController();
  const stalled = sleep(5000, 'stalled', { signal: deadline.signal }).catch(() => 'stopped');
  const outcome = await Promise.race([
    finish.then(
      () => 'complete',
      (error: Error) => error.message,
    ),
    stalled,
  ]);
  deadline.abort();

  expect(outcome).toBe(failing ? 'injected' : 'complete');
  expect(got).toEqual(failing ? expected.slice(0, got.length) : expected);
  if (end.kind === 'tee') expect(teed).toEqual(expected);
  await eventually(() => closed === opened);
  expect(opened).toBeLessThanOrEqual(1);
  const allowed = bursts(stages);
  const specs = [...allowed.keys()].map((i) => ({ spec: stages[i], burst: allowed.get(i) ?? 0 }));
  asyncInlets.forEach((inlet, i) => {
    const { spec: each, burst = 0 } = specs[i] ?? {};
    if (each?.kind !== 'async') throw new Error('a stage was registered that is not there');
    expect(inlet.peakItems).toBeLessThan(each.items + burst);
    expect(inlet.peakBytes).toBeLessThan(each.bytes + burst * 13);
    expect(inlet.closed).toBe(true);
    expect(inlet.held).toBe(0);
  });
}

describe(`${FLOWS} random flows do what arrays do`, () => {
  test.each(SEEDS)(
    'seed %i',
    async (seed) => {
      await fc.assert(fc.asyncProperty(flow, check), {
        seed,
        numRuns: Math.ceil(FLOWS / SEEDS.length),
        endOnFailure: false,
      });
    },
    Math.max(60_000, FLOWS * 200),
  );
});
