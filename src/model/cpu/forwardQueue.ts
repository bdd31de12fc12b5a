import { ModelError } from '../../errors.ts';
import { type Pool, workerModule } from '../../run/pool.ts';
import type { ForwardBatch, ForwardOutcome, ForwardResult, ForwardTask, PassFailure, SessionSpec } from './forward.ts';
import type { SharedLayers } from './layers/sharedLayers.ts';

/** Tokens that cross a thread boundary together when short documents wait: the crossing then costs little. */
const BATCH_TOKENS = 1024;
/** A pass is long from here on: worth several threads, and to be waited for. */
const LONG_FLOP = 4e9;
/** Passes of fewer tokens get one thread: matrix products then divide their columns, and may add in another order. */
const WIDE_TOKENS = 512;
/** A pass is sent again so often because others died with its layers. */
const MOST_ABANDONED = 4;
const WORKER = workerModule(import.meta.url, './forwardWorker');

interface Waiting {
  readonly task: ForwardTask;
  readonly priority: number;
  readonly signal: AbortSignal | undefined;
  /** A worker died with it in hand: it goes once more, alone, so that what kills workers takes nothing else along. */
  retried: boolean;
  /** How often layers that it needed were given up because of others. */
  abandoned: number;
  resolve(result: ForwardResult): void;
  reject(error: unknown): void;
}

/** What a queue needs to know about its model. */
export interface QueuedModel {
  /** Named in errors. */
  readonly path: string;
  /** Of the linear layers. */
  readonly flopPerToken: number;
  /** Most threads of one pass with which its bits are those of one thread. */
  readonly passThreads: number;
  /** Asked for each batch. */
  spec(): Omit<SessionSpec, 'threads'>;
  /** A worker has died that may have held some of these layers. */
  workerDied(layers: SharedLayers | undefined): void;
}

/**
 * Hands passes to worker threads, the smallest priority first: documents finish in their order, so the oldest must
 * never wait for younger ones. Every pass is computed on its own; what travels together only shares the journey. A pass
 * whose worker died is repeated once in the worker that took its place.
 */
export class ForwardQueue {
  rowsComputed = 0;
  readonly #pool: () => Pool;
  readonly #model: QueuedModel;
  readonly #waiting: Waiting[] = [];
  #travelling = 0;
  #sending = false;
  #closed: ModelError | undefined;
  readonly #journeys = new Set<Promise<void>>();

  constructor(pool: () => Pool, model: QueuedModel) {
    this.#pool = pool;
    this.#model = model;
  }

  /** Computes one pass. */
  run(task: ForwardTask, priority: number, signal: AbortSignal | undefined): Promise<ForwardResult> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    return new Promise((resolve, reject) => {
      this.#wait({ task, priority, signal, retried: false, abandoned: 0, resolve, reject });
      this.#sendSoon();
    });
  }

  /** Refuses what waits and what comes, and waits for what travels: a thread that is ended midway takes the process along. */
  async close(): Promise<void> {
    const { path } = this.#model;
    this.#closed ??= new ModelError(`The model in ${path} was closed.`, { code: 'MODEL_CLOSED', path });
    for (const { reject } of this.#waiting.splice(0)) reject(this.#closed);
    await Promise.all(this.#journeys);
  }

  /** Passes that are asked for in one go shall meet: the first would seem to be alone. */
  #sendSoon(): void {
    if (this.#sending) return;
    this.#sending = true;
    setImmediate(() => {
      this.#sending = false;
      this.#send();
    });
  }

  #wait(waiting: Waiting): void {
    let at = this.#waiting.length;
    while (at > 0 && (this.#waiting[at - 1]?.priority ?? 0) > waiting.priority) at--;
    this.#waiting.splice(at, 0, waiting);
  }

  #send(): void {
    while (this.#travelling < this.#mostTravelling()) {
      const batch = this.#nextBatch();
      if (batch.length === 0) return;
      this.#travelling++;
      const journey = this.#travel(batch).finally(() => {
        this.#travelling--;
        this.#journeys.delete(journey);
        this.#sendSoon();
      });
      this.#journeys.add(journey);
    }
  }

  /**
   * One batch on every thread, and where batches are short one more that waits there, so that no thread idles while this
   * one is busy. Long ones must not wait there: each carries the keys and values of its document.
   */
  #mostTravelling(): number {
    const { threads } = this.#pool();
    const short = BATCH_TOKENS * this.#model.flopPerToken < LONG_FLOP;
    return short ? 2 * threads : threads;
  }

  #nextBatch(): Waiting[] {
    const batch: Waiting[] = [];
    let tokens = 0;
    while (tokens < BATCH_TOKENS) {
      const next = this.#waiting[0];
      if (next === undefined) break;
      if (batch.length > 0 && (next.retried || tokens + next.task.tokens.length > BATCH_TOKENS)) break;
      this.#waiting.shift();
      if (next.signal?.aborted) {
        next.reject(next.signal.reason);
        continue;
      }
      tokens += next.task.tokens.length;
      batch.push(next);
      if (next.retried) break;
    }
    return batch;
  }

  async #travel(batch: readonly Waiting[]): Promise<void> {
    let spec: SessionSpec;
    try {
      spec = { ...this.#model.spec(), threads: this.#threadsFor(batch, this.#pool()) };
    } catch (error) {
      for (const { reject } of batch) reject(error);
      return;
    }
    const message: ForwardBatch = { spec, tasks: batch.map(({ task }) => task) };
    let outcomes: readonly ForwardOutcome[];
    try {
      outcomes = await this.#pool().run<ForwardOutcome[]>(WORKER, message);
    } catch (cause) {
      this.#model.workerDied(spec.layers);
      for (const waiting of batch) {
        if (waiting.retried || this.#closed) waiting.reject(this.#closed ?? this.#workerError(cause));
        else this.#wait(Object.assign(waiting, { retried: true }));
      }
      return;
    }
    for (const [i, waiting] of batch.entries()) this.#settle(waiting, outcomes[i]);
  }

  #settle(waiting: Waiting, outcome: ForwardOutcome = { failure: { message: 'the worker returned nothing' } }): void {
    if ('result' in outcome) {
      this.rowsComputed += outcome.result.entropies.length;
      waiting.resolve(outcome.result);
    } else if ('failure' in outcome) {
      waiting.reject(this.#passError(outcome.failure));
    } else if (this.#closed !== undefined || ++waiting.abandoned > MOST_ABANDONED) {
      waiting.reject(this.#closed ?? this.#workerError('its layers were given up again and again'));
    } else {
      this.#wait(waiting);
    }
  }

  /** All threads work on a long pass that has the machine for itself. */
  #threadsFor(batch: readonly Waiting[], pool: Pool): number {
    const alone = this.#travelling === 1 && this.#waiting.length === 0 && batch.length === 1;
    const length = alone ? (batch[0]?.task.tokens.length ?? 0) : 0;
    const { flopPerToken, passThreads } = this.#model;
    return length >= WIDE_TOKENS && length * flopPerToken >= LONG_FLOP ? Math.min(pool.threads, passThreads) : 1;
  }

  #workerError(cause: unknown): ModelError {
    const { path } = this.#model;
    const reason = cause instanceof Error ? cause.message : String(cause);
    return new ModelError(`Two workers in turn ended while they ran the model in ${path} on this piece: ${reason}`, {
      code: 'MODEL_WORKER',
      path,
      cause,
      hint: 'If the machine ran out of memory, give fewer workers or a smaller pieceBytes.',
    });
  }

  #passError({ message, code = 'MODEL_RUN', ...details }: PassFailure): ModelError {
    const { path } = this.#model;
    return new ModelError(code === 'MODEL_RUN' ? `The model in ${path} could not be computed: ${message}` : message, {
      path,
      ...details,
      code,
    });
  }
}
