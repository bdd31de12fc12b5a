import { ModelError } from '../errors.ts';
import { type Pool, workerModule } from '../run/pool.ts';
import type { ForwardBatch, ForwardOutcome, ForwardResult, ForwardTask } from './forward.ts';

/** Tokens that cross a thread boundary together when short documents wait: the crossing then costs little. */
const BATCH_TOKENS = 1024;
const WORKER = workerModule(import.meta.url, './forwardWorker');

interface Waiting {
  readonly task: ForwardTask;
  readonly priority: number;
  readonly signal: AbortSignal | undefined;
  resolve(result: ForwardResult): void;
  reject(error: unknown): void;
}

/**
 * Hands passes to worker threads, the smallest priority first: documents finish in their order, so the oldest must
 * never wait for younger ones. Every pass is computed on its own; what travels together only shares the journey.
 */
export class ForwardQueue {
  rowsComputed = 0;
  readonly #pool: () => Pool;
  readonly #dir: string;
  readonly #id: string;
  readonly #waiting: Waiting[] = [];
  #travelling = 0;

  constructor(pool: () => Pool, dir: string, id: string) {
    this.#pool = pool;
    this.#dir = dir;
    this.#id = id;
  }

  /** Computes one pass; the buffers of `task` change hands. */
  run(task: ForwardTask, priority: number, signal: AbortSignal | undefined): Promise<ForwardResult> {
    return new Promise((resolve, reject) => {
      const waiting = { task, priority, signal, resolve, reject };
      let at = this.#waiting.length;
      while (at > 0 && (this.#waiting[at - 1]?.priority ?? 0) > priority) at--;
      this.#waiting.splice(at, 0, waiting);
      this.#send();
    });
  }

  #send(): void {
    // one batch on every thread and one that waits there, so that no thread idles while this one is busy
    while (this.#travelling < 2 * this.#pool().threads) {
      const batch = this.#nextBatch();
      if (batch.length === 0) return;
      this.#travelling++;
      this.#travel(batch).finally(() => {
        this.#travelling--;
        this.#send();
      });
    }
  }

  #nextBatch(): Waiting[] {
    const batch: Waiting[] = [];
    let tokens = 0;
    while (tokens < BATCH_TOKENS) {
      const next = this.#waiting[0];
      if (next === undefined || (batch.length > 0 && tokens + next.task.tokens.length > BATCH_TOKENS)) break;
      this.#waiting.shift();
      if (next.signal?.aborted) {
        next.reject(next.signal.reason);
        continue;
      }
      tokens += next.task.tokens.length;
      batch.push(next);
    }
    return batch;
  }

  async #travel(batch: readonly Waiting[]): Promise<void> {
    const message: ForwardBatch = { dir: this.#dir, id: this.#id, tasks: batch.map(({ task }) => task) };
    const buffers = batch.flatMap(({ task }) => [
      task.tokens.buffer,
      ...(task.past === undefined ? [] : [task.past.data.buffer]),
      ...(task.firstRows === undefined ? [] : [task.firstRows.buffer]),
    ]);
    let outcomes: readonly ForwardOutcome[];
    try {
      outcomes = await this.#pool().run<ForwardOutcome[]>(WORKER, message, buffers);
    } catch (cause) {
      const error = this.#workerError(cause, batch.length);
      for (const { reject } of batch) reject(error);
      return;
    }
    batch.forEach(({ resolve, reject }, i) => {
      const outcome = outcomes[i] ?? { failure: 'the worker returned nothing' };
      if ('failure' in outcome) reject(this.#passError(outcome.failure));
      else {
        this.rowsComputed += outcome.result.entropies.length;
        resolve(outcome.result);
      }
    });
  }

  #workerError(cause: unknown, passes: number): ModelError {
    const reason = cause instanceof Error ? cause.message : String(cause);
    return new ModelError(
      `A worker that ran the model in ${this.#dir} failed with ${passes} pass(es) in hand: ${reason}`,
      {
        code: 'MODEL_WORKER',
        path: this.#dir,
        cause,
        hint: 'If the machine ran out of memory, give fewer workers or a smaller pieceBytes.',
      },
    );
  }

  #passError(reason: string): ModelError {
    return new ModelError(`The model in ${this.#dir} could not be computed: ${reason}`, {
      code: 'MODEL_RUN',
      path: this.#dir,
    });
  }
}
