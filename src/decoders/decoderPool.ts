import { PipelineError } from '../errors.ts';
import { type Decoded, DecoderEnded, DecoderProcess } from './decoderProcess.ts';
import type { Limits } from './limits.ts';

/** Milliseconds after which processes without work are ended. */
const IDLE = 5000;
/** Processes that are tried one after another where they are killed from outside. */
const TRIES = 3;

/** A record for a decoder module, whose path is `module`: its bytes, and plain values beside them. */
export interface DecoderTask {
  readonly module: string;
  readonly bytes: Uint8Array;
  readonly facts: unknown;
}

/**
 * Processes that decode records: what hangs, crashes or fills memory there takes one record with it, and nothing else. Started
 * when there is work, ended when there has been none for a while.
 */
export class DecoderPool {
  readonly #limits: Limits;
  readonly #idle: DecoderProcess[] = [];
  readonly #waiting: (() => void)[] = [];
  #working = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /**
   * Has one record decoded, and its result taken by `take` before the process works on.
   *
   * @param signal ends the work at once, and the process with it
   * @throws Failure as the decoder throws it, or `DECODE_TIME`, `DECODE_MEMORY`, `DECODER_CRASHED`; PipelineError
   *   `DECODER_START`, `DECODER_ROOM`
   */
  async run<R>(task: DecoderTask, take: (decoded: Decoded) => Promise<R>, signal?: AbortSignal): Promise<R> {
    await this.#enter(signal);
    try {
      return await this.#runIn(await this.#rested(), task, take, signal);
    } finally {
      this.#leave();
    }
  }

  /** Ends the processes that are not at work. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    await Promise.all(this.#idle.splice(0).map((process) => process.end()));
  }

  /** A process that is there and alive. */
  async #rested(): Promise<DecoderProcess | undefined> {
    for (let process = this.#idle.pop(); process !== undefined; process = this.#idle.pop()) {
      if (!process.over) return process;
      await process.end();
    }
    return undefined;
  }

  async #runIn<R>(
    old: DecoderProcess | undefined,
    task: DecoderTask,
    take: (decoded: Decoded) => Promise<R>,
    signal: AbortSignal | undefined,
    tries = TRIES,
  ): Promise<R> {
    const process = old ?? (await this.#started());
    const stop = (): void => void process.end();
    signal?.addEventListener('abort', stop, { once: true });
    try {
      signal?.throwIfAborted();
      return await unlessAborted(take(await process.decode(task.module, task.bytes, task.facts)), signal);
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof DecoderEnded)) throw error;
      // earlier records may have left it short of memory, or damaged: a new process decides
      const again = error.fromOutside ? tries > 1 : old !== undefined && error.code !== 'DECODE_TIME';
      if (!again) throw error;
    } finally {
      signal?.removeEventListener('abort', stop);
      if (process.over || process.worn) await process.end();
      else this.#idle.push(process);
    }
    return this.#runIn(undefined, task, take, signal, tries - 1);
  }

  async #started(): Promise<DecoderProcess> {
    for (let tries = TRIES; ; tries--) {
      try {
        return await DecoderProcess.start(this.#limits);
      } catch (error) {
        const killed = error instanceof PipelineError && error.cause instanceof DecoderEnded && error.cause.fromOutside;
        if (!killed || tries === 1) throw error;
      }
    }
  }

  /** Waits for a place. Places are given in the order in which they were asked for. */
  async #enter(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    clearTimeout(this.#timer);
    if (this.#working < this.#limits.processes) {
      this.#working++;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const enter = (): void => {
        signal?.removeEventListener('abort', abort);
        resolve();
      };
      const abort = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(enter), 1);
        reject(signal?.reason);
      };
      signal?.addEventListener('abort', abort, { once: true });
      this.#waiting.push(enter);
    });
  }

  #leave(): void {
    const next = this.#waiting.shift();
    if (next !== undefined) {
      next();
      return;
    }
    this.#working--;
    if (this.#working > 0) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.close(), IDLE);
    this.#timer.unref();
  }
}

/** Whoever takes a result may wait for others, which an aborted flow never ends: nobody waits for it then. */
function unlessAborted<R>(taken: Promise<R>, signal: AbortSignal | undefined): Promise<R> {
  if (signal === undefined) return taken;
  return new Promise<R>((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    taken.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
