import type { OperatorFunction } from 'rxjs';
import { PipelineError } from '../errors.ts';
import { batch, type Limit, mapAsync, transduce } from '../flow/index.ts';
import { requireOptions } from '../knownOptions.ts';
import { sharedPool } from '../run/pool.ts';

export interface InWorkersOptions<A> {
  /** Shown in plans, progress and errors. Default: `inWorkers`. */
  readonly name?: string | undefined;
  /** What crosses a thread boundary at once: a crossing costs more than most values. Default: 64 values, 1 MiB. */
  readonly batch?: Limit | undefined;
  /** Bytes of one value. Needed where the batch or the room counts bytes. */
  readonly sizeOf: (value: A) => number;
  /** Buffers of these values that are moved to the worker instead of copied; nobody else may use them afterwards. */
  readonly move?: ((values: readonly A[]) => readonly ArrayBuffer[]) | undefined;
  /** Batches inside the stage: waiting, at work, or done and not yet handed on. Default: two a thread, 32 MiB. */
  readonly room?: Limit | undefined;
  /** What decides the results besides the values: becomes part of the run's digest. */
  readonly options?: unknown;
}

const LIMIT = { items: true, bytes: true } as const;
const OPTIONS = { name: true, batch: LIMIT, sizeOf: true, move: true, room: LIMIT, options: true } as const;

/** What a worker module exports by default: as many results as values, in their order. */
export type WorkerFunction<A, B> = (values: readonly A[]) => readonly B[] | PromiseLike<readonly B[]>;

/**
 * One value to one result, computed in worker threads: values cross in batches cut by items and bytes alone, results
 * come back in order. `module` is the path of a module whose default export is a `WorkerFunction`; never a closure.
 * Results that are large come back without a copy when the worker returns `moving(results, buffers)`.
 * Throws PipelineError `WORKER_RESULT` into the flow when a worker returns another number of results than values.
 *
 *     documents.pipe(inWorkers<Document, Uint8Array>(workerModule(import.meta.url, './hash.worker'), {
 *       sizeOf: (document) => document.bytes.length,
 *     }))
 */
export function inWorkers<A, B>(module: string, options: InWorkersOptions<A>): OperatorFunction<A, B> {
  requireOptions('inWorkers', options, OPTIONS);
  const { name = 'inWorkers', sizeOf, move = () => [] } = options;
  const limit = options.batch ?? { items: 64, bytes: 1 << 20 };
  return (source) => {
    const pool = sharedPool();
    const sizeOfBatch = (values: readonly A[]): number => values.reduce((sum, value) => sum + sizeOf(value), 0);
    return source.pipe(
      batch<A>({ ...limit, sizeOf, name: `${name}.batch` }),
      mapAsync(
        async (values: readonly A[], signal) => {
          const results = await pool.run<readonly B[]>(module, values, move(values), signal);
          if (Array.isArray(results) && results.length === values.length) return results;
          throw new PipelineError(`${name}: the worker returned no list of ${values.length} results`, {
            code: 'WORKER_RESULT',
            path: module,
            hint: 'its default export must return one result for every value, in their order',
          });
        },
        {
          name,
          concurrency: pool.threads,
          room: options.room ?? { items: 2 * pool.threads, bytes: 32 << 20 },
          sizeOf: sizeOfBatch,
          least: limit.bytes ?? 1 << 20,
          options: options.options ?? null,
        },
      ),
      transduce(() => ({ next: (results: readonly B[]) => results })),
    );
  };
}
