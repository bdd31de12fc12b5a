import { LRUCache } from 'lru-cache';

interface Running<T> {
  readonly result: Promise<T>;
  readonly abort: AbortController;
  waiting: number;
}

/** Results that are kept at most. */
export interface SharedLimits<T> {
  readonly max: number;
  readonly maxBytes?: number;
  sizeOf?(result: T): number;
  /** Told of a result that is not kept any more. */
  dropped?(result: T): void;
}

/**
 * Work that many ask for and that is done once: those who come while it is under way share it, and its latest results are
 * kept. It is aborted when nobody waits for it any more. Failures are not kept.
 */
export class Shared<T extends object> {
  readonly #results: LRUCache<string, T>;
  readonly #running = new Map<string, Running<T>>();

  constructor({ max, maxBytes, sizeOf, dropped }: SharedLimits<T>) {
    this.#results = new LRUCache<string, T>({
      max,
      ...(maxBytes === undefined || sizeOf === undefined
        ? {}
        : // What holds nothing still takes a place.
          { maxSize: maxBytes, sizeCalculation: (result: T) => Math.max(1, sizeOf(result)) }),
      ...(dropped === undefined ? {} : { dispose: dropped }),
    });
  }

  /** Lets go of all results. */
  clear(): void {
    this.#results.clear();
  }

  async get(key: string, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    const known = this.#results.get(key);
    if (known !== undefined) return known;
    const running = this.#running.get(key) ?? this.#start(key, work);
    running.waiting++;
    try {
      return await unlessAborted(running.result, signal);
    } finally {
      if (--running.waiting === 0 && this.#running.get(key) === running) {
        this.#running.delete(key);
        running.abort.abort(signal.reason);
      }
    }
  }

  #start(key: string, work: (signal: AbortSignal) => Promise<T>): Running<T> {
    const abort = new AbortController();
    const running: Running<T> = { abort, waiting: 0, result: work(abort.signal) };
    const forget = (): void => {
      if (this.#running.get(key) === running) this.#running.delete(key);
    };
    running.result.then((result) => {
      forget();
      this.#results.set(key, result);
    }, forget);
    this.#running.set(key, running);
    return running;
  }
}

function unlessAborted<T>(result: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    result.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
