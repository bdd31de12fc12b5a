import { ModelError } from '../errors.ts';
import { type ModelSettings, openOptions } from '../model/openOptions.ts';
import type { CommitRecord } from './commitRecord.ts';
import type { Pipeline } from './definition.ts';
import type { RunEvent } from './run.ts';

/** Counted in the commit of a split that was planned for a device and done on the CPU, and so in the totals of the run. */
export const MOVED_TO_CPU = 'splits_moved_to_cpu';

/** A device that has worked does so no more. */
const LOST = new Set(['DEVICE_LOST']);
/** Of one that was lost: it is not there any more, or another one is. */
const GONE = new Set(['DEVICE_UNAVAILABLE', 'DEVICE_WRONG', 'DEVICES_DIFFER', 'NO_DEVICE', 'GPU_MEMORY']);

/** Does a split once: with this pipeline, and with these counts in its commit. */
export type SplitAttempt = (pipeline: Pipeline, counts?: Readonly<Record<string, number>>) => Promise<CommitRecord>;

/**
 * A split whose device is lost is done again on a fresh device; if that is lost too, or cannot be had, on the CPU, and the
 * commit says so. Numbers of the CPU differ from the device's in their last bits. With weights of fewer bits they would
 * differ in more, and the run ends instead. A run that was aborted tries nothing again.
 */
export class DeviceRecovery {
  readonly #pipeline: Pipeline;
  readonly #tell: (event: RunEvent) => void;
  readonly #signal: AbortSignal;
  #wasLost = false;
  /** It could not be opened again. */
  #gone = false;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(pipeline: Pipeline, tell: (event: RunEvent) => void, signal: AbortSignal) {
    this.#pipeline = pipeline;
    this.#tell = tell;
    this.#signal = signal;
  }

  /** Throws what the last attempt threw, or the reason of the signal. */
  async run(split: string, attempt: SplitAttempt): Promise<CommitRecord> {
    if (this.#gone) return this.#onCpu(attempt);
    try {
      return await attempt(this.#pipeline);
    } catch (error) {
      const reason = this.#reasonToRetry(error);
      return this.#gone ? this.#movedToCpu(split, reason, attempt) : this.#again(split, reason, attempt);
    }
  }

  /** One split at a time, so that of several whose device was lost only that which is to blame loses the next one. */
  #again(split: string, reason: string, attempt: SplitAttempt): Promise<CommitRecord> {
    const done = this.#turn.then(async () => {
      this.#signal.throwIfAborted();
      if (this.#gone) return reason;
      this.#tell({ type: 'retried', split, on: 'device', reason });
      return attempt(this.#pipeline).catch((error: unknown) => this.#reasonToRetry(error));
    });
    this.#turn = done.catch(() => {});
    return done.then((outcome) => (typeof outcome === 'string' ? this.#movedToCpu(split, outcome, attempt) : outcome));
  }

  #movedToCpu(split: string, reason: string, attempt: SplitAttempt): Promise<CommitRecord> {
    // nothing is announced that will be refused
    openOptions({}, this.#standIn);
    this.#tell({ type: 'retried', split, on: 'cpu', reason });
    return this.#onCpu(attempt);
  }

  #onCpu(attempt: SplitAttempt): Promise<CommitRecord> {
    return attempt({ ...this.#pipeline, model: this.#standIn }, { [MOVED_TO_CPU]: 1 });
  }

  get #standIn(): ModelSettings {
    return { ...this.#pipeline.model, device: 'cpu', standsIn: true, profile: false };
  }

  /** What became of the device. Throws errors that are about anything else. */
  #reasonToRetry(error: unknown): string {
    if (!(error instanceof ModelError)) throw error;
    const isGone = this.#wasLost && GONE.has(error.code);
    if (!isGone && !LOST.has(error.code)) throw error;
    this.#signal.throwIfAborted();
    this.#wasLost = true;
    this.#gone ||= isGone;
    return error.message;
  }
}
