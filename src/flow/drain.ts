import { type Observable, Subscription } from 'rxjs';
import { type MapAsyncOptions, mapAsync } from './mapAsync.ts';
import { subscribeWithin } from './stage.ts';

export interface DrainOptions {
  /** Ends the flow early; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Runs a flow to its end and drops what it emits. Rejects with the flow's error. */
export function drain(flow: Observable<unknown>, options: DrainOptions = {}): Promise<void> {
  const { signal } = options;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const subscription = new Subscription();
  if (signal?.aborted) {
    reject(signal.reason);
    return promise;
  }
  const stop = (): void => {
    subscription.unsubscribe();
    reject(signal?.reason);
  };
  signal?.addEventListener('abort', stop, { once: true });
  subscription.add(() => signal?.removeEventListener('abort', stop));
  subscribeWithin(flow, subscription, {
    next() {},
    error(error) {
      subscription.unsubscribe();
      reject(error);
    },
    complete() {
      subscription.unsubscribe();
      resolve();
    },
  });
  return promise;
}

/**
 * Runs a flow to its end through an asynchronous consumer, one value at a time unless `concurrency` says otherwise; the
 * flow waits for it. (`subscribe(async ...)` does not: nobody sees that promise.) Resolves when the last value has been
 * used, rejects with the error of the flow or of `use`.
 *
 *     await consume(patches, (patch, signal) => writer.write(patch));
 */
export function consume<T>(
  flow: Observable<T>,
  use: (value: T, signal: AbortSignal) => unknown,
  options: MapAsyncOptions<T> & DrainOptions = {},
): Promise<void> {
  const { signal, name = 'consume', kind = 'sink', ...rest } = options;
  return drain(flow.pipe(mapAsync(use, { ...rest, name, kind })), { signal });
}
