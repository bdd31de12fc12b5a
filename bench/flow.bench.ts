import { concatMap, filter, from, map, mergeMap, type Observable, type OperatorFunction } from 'rxjs';
import { drain, mapAsync, pull } from '../src/flow/index.ts';
import { type Bench, perItem } from './harness.ts';

const N = 20_000;
const CHUNK = 64;
const ROUNDS = 25;
const values = Array.from({ length: N }, (_, i) => i);
const chunks = Array.from({ length: Math.ceil(N / CHUNK) }, (_, i) => values.slice(i * CHUNK, (i + 1) * CHUNK));

const gated = (): Observable<number> => pull(() => chunks);
const plain = (): Observable<number> => from(values);
const five = (source: Observable<number>): Observable<number> =>
  source.pipe(
    map((x) => x + 1),
    filter((x) => x >= 0),
    map((x) => x * 2),
    filter((x) => x % 2 === 0),
    map((x) => x - 1),
  );
const task = async (x: number): Promise<number> => x + 1;
const stages = (
  count: number,
  stage: () => OperatorFunction<number, number>,
  source: Observable<number>,
): Observable<number> => Array.from({ length: count }, stage).reduce((flow, operator) => flow.pipe(operator), source);

/** What bounded flows cost against the same operators of RxJS, which queue without bound: CPU time for each value. */
export default async function flow(bench: Bench): Promise<void> {
  const measure = perItem(N);
  await bench.compare({
    case: '5 synchronous operators',
    measure,
    rounds: ROUNDS,
    run: () => drain(five(gated())),
    peer: { name: 'RxJS from', run: () => drain(five(plain())) },
  });
  for (const count of [1, 3]) {
    for (const concurrency of [1, 8]) {
      await bench.compare({
        case: `${count} asynchronous, ${concurrency} at once`,
        measure,
        rounds: ROUNDS,
        run: () => drain(stages(count, () => mapAsync(task, { concurrency, room: { items: 64 } }), gated())),
        peer: {
          name: concurrency === 1 ? 'RxJS concatMap' : 'RxJS mergeMap',
          run: () =>
            drain(stages(count, () => (concurrency === 1 ? concatMap(task) : mergeMap(task, concurrency)), plain())),
        },
      });
    }
  }
}
