import { ModelError } from '../errors.ts';
import type { CommitRecord } from './commitRecord.ts';
import type { Pipeline } from './definition.ts';
import type { RunEvent } from './run.ts';

/** Counted in the commit of a split that was planned for a device and done on the CPU, and so in the totals of the run. */
export const MOVED_TO_CPU = 'splits_moved_to_cpu';

/** Codes of errors that say that a device which has worked does so no more. */
const LOST = new Set(['DEVICE_LOST', 'GPU_MEMORY']);
const CANNOT_BE_OPENED = new Set(['DEVICE_UNAVAILABLE', 'DEVICE_WRONG', 'NO_DEVICE']);

/** Does a split once: with this pipeline, and with these counts in its commit. */
export type SplitAttempt = (pipeline: Pipeline, counts?: Readonly<Record<string, number>>) => Promise<CommitRecord>;

/**
 * A split whose device is lost is done again on a fresh device; if that is lost too, or cannot be had, on the CPU, and the
 * commit says so. Numbers of the CPU differ from the device's in their last bits. With weights of fewer bits they would
 * differ in more, and the run ends instead.
 */
export class DeviceRecovery {
  readonly #pipeline: Pipeline;
  readonly #tell: (event: RunEvent) => void;
  /** The device could not be opened again. */
  #gone = false;

  constructor(pipeline: Pipeline, tell: (event: RunEvent) => void) {
    this.#pipeline = pipeline;
    this.#tell = tell;
  }

  async run(split: string, attempt: SplitAttempt): Promise<CommitRecord> {
    if (this.#gone) return this.#onCpu(attempt);
    try {
      return await attempt(this.#pipeline);
    } catch (error) {
      if (!isOne(error, LOST)) throw error;
      if (this.#gone) return this.#onCpu(attempt);
      this.#tell({ type: 'retried', split, on: 'device', reason: error.message });
    }
    try {
      return await attempt(this.#pipeline);
    } catch (error) {
      const gone = isOne(error, CANNOT_BE_OPENED);
      if (!gone && !isOne(error, LOST)) throw error;
      this.#gone ||= gone;
      this.#tell({ type: 'retried', split, on: 'cpu', reason: (error as ModelError).message });
      return this.#onCpu(attempt);
    }
  }

  #onCpu(attempt: SplitAttempt): Promise<CommitRecord> {
    const model = { ...this.#pipeline.model, device: 'cpu', standsIn: true, profile: false };
    return attempt({ ...this.#pipeline, model }, { [MOVED_TO_CPU]: 1 });
  }
}

function isOne(error: unknown, codes: ReadonlySet<string>): error is ModelError {
  return error instanceof ModelError && codes.has(error.code);
}
