import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Piscina, transferableSymbol, valueSymbol } from 'piscina';
import { arrived } from './crossing.ts';

export interface PoolOptions {
  /** Threads. Default: one per core. */
  readonly threads?: number | undefined;
  /** Megabytes of JavaScript heap a thread may use before it is ended. Default: no limit of its own. */
  readonly heapMb?: number | undefined;
}

/**
 * A bounded set of worker threads. Crossing a thread boundary costs more than most records are worth, so hand over
 * batches, and move buffers instead of copying them.
 */
export class Pool {
  #threads: number;
  #piscina: Piscina;
  readonly #heapMb: number | undefined;
  readonly #inHand = new Set<Promise<unknown>>();

  constructor(options: PoolOptions = {}) {
    this.#threads = options.threads ?? availableParallelism();
    this.#heapMb = options.heapMb;
    this.#piscina = this.#start();
  }

  get threads(): number {
    return this.#threads;
  }

  /**
   * Runs the default export of a worker module on one task. Buffers in `move` change hands. Errors come as they were where the
   * module's work is done within `crossing`; of others only the message is sure to.
   * @param signal nobody waits for the result any more once it is aborted; a task that has begun ends where it is, since
   *   a thread that is ended while it answers fails the whole process
   */
  run<R>(module: string, task: unknown, move: readonly ArrayBuffer[] = [], signal?: AbortSignal): Promise<R> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    const running = this.#piscina.run(task, { filename: module, transferList: [...move] }) as Promise<R>;
    const done = running.catch((error: unknown) => {
      throw arrived(error);
    });
    this.#inHand.add(done);
    const forget = (): void => {
      this.#inHand.delete(done);
    };
    done.then(forget, forget);
    return signal === undefined ? done : unlessAborted(done, signal);
  }

  /** Uses this many threads for tasks to come; those in hand finish where they are. */
  resize(threads: number): void {
    if (threads === this.#threads) return;
    this.#threads = threads;
    void this.settle();
  }

  /**
   * Waits for the tasks in hand and ends their threads; later tasks get new ones. Native code in a thread that is ended
   * midway aborts the process, and Piscina's own `close` may end a thread that is still at work.
   */
  async settle(): Promise<void> {
    const piscina = this.#piscina;
    this.#piscina = this.#start();
    await Promise.allSettled([...this.#inHand]);
    await piscina.destroy();
  }

  /** Ends the threads at once; tasks in hand fail. */
  async close(): Promise<void> {
    await this.#piscina.destroy();
  }

  #start(): Piscina {
    return new Piscina({
      minThreads: 0,
      maxThreads: this.#threads,
      idleTimeout: 2000,
      ...(this.#heapMb === undefined ? {} : { resourceLimits: { maxOldGenerationSizeMb: this.#heapMb } }),
    });
  }
}

function unlessAborted<R>(done: Promise<R>, signal: AbortSignal): Promise<R> {
  return new Promise<R>((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    done.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

/** The path of a worker module beside the caller, in the caller's own form: `.ts` from a checkout, `.js` when built. */
export function workerModule(importMetaUrl: string, name: string): string {
  const extension = importMetaUrl.endsWith('.ts') ? '.ts' : '.js';
  return fileURLToPath(new URL(`${name}${extension}`, importMetaUrl));
}

/** What a worker returns when buffers of its result shall be moved instead of copied. */
export function moving(value: object, buffers: readonly ArrayBuffer[]): unknown {
  return Piscina.move({
    get [transferableSymbol]() {
      return buffers;
    },
    get [valueSymbol]() {
      return value;
    },
  });
}

let shared: Pool | undefined;

/** The pool that operators and sinks use when nobody gives them one; its idle threads end by themselves. */
export function sharedPool(): Pool {
  shared ??= new Pool();
  return shared;
}
