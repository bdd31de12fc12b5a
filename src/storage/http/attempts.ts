import { setTimeout as sleep } from 'node:timers/promises';
import { AttemptFailure } from './attemptFailure.ts';
import { MOST_MS, type Settings } from './settings.ts';

/** Progress that makes up for the failures before it, where much is wanted. */
const PROGRESS = 64 << 10;

/** The part of what is wanted that does so where less is wanted. */
const PART = 32;

/**
 * Counts the failures of one request and waits between them.
 *
 * Progress makes up for failures once it comes to 64 KiB, or to a 32nd of what is wanted if that is less. So a long body
 * may break any number of times, and a server that breaks off after every byte is still given up: at most `retries + 1`
 * attempts for each such piece.
 */
export class Attempts {
  readonly #settings: Settings;
  readonly #signal: AbortSignal | undefined;
  /** Bytes that make up for all failures before them. */
  readonly enough: number;
  #progress = 0;
  #failures = 0;
  readonly #byCode = new Map<string, number>();
  #attempts = 0;

  /** @param wanted Bytes that are to arrive; 0 where progress makes up for nothing. */
  constructor(settings: Settings, signal: AbortSignal | undefined, wanted = 0) {
    this.#settings = settings;
    this.#signal = signal;
    this.enough = wanted === 0 ? Number.POSITIVE_INFINITY : Math.min(PROGRESS, Math.ceil(wanted / PART));
  }

  progress(bytes: number): void {
    this.#progress += bytes;
    if (this.#failures === 0 || this.#progress < this.enough) return;
    this.#failures = 0;
    this.#byCode.clear();
  }

  /**
   * Returns when it is time for the next attempt.
   *
   * @throws SourceError where there is none; whatever else is given, unchanged; the signal's reason when it is aborted.
   */
  async again(failure: unknown): Promise<void> {
    // An abort shows as all kinds of errors of the transport.
    this.#signal?.throwIfAborted();
    if (!(failure instanceof AttemptFailure)) throw failure;
    this.#attempts++;
    // Only what arrives after a failure makes up for it.
    if (this.#failures++ === 0) this.#progress = 0;
    const alike = (this.#byCode.get(failure.code) ?? 0) + 1;
    this.#byCode.set(failure.code, alike);
    if (alike > failure.retries || this.#failures > this.#settings.retries) throw failure.final(this.#attempts);
    const { backoff, mostWaitMs } = this.#settings;
    const asked = failure.waitMs ?? 0;
    if (asked > mostWaitMs) {
      throw new AttemptFailure(
        'RATE_LIMITED',
        failure.path,
        `${failure.message}; it asks to wait ${Math.ceil(asked / 1000)} s`,
        { hint: `Run again in ${Math.ceil(asked / 1000)} s, or raise mostWaitMs.`, cause: failure.cause },
      ).final(this.#attempts);
    }
    // Full jitter: those who failed together do not come back together.
    const pause = Math.random() * Math.min(backoff.mostMs, backoff.firstMs * 2 ** (this.#failures - 1));
    try {
      await sleep(
        Math.min(asked + pause, MOST_MS),
        undefined,
        this.#signal === undefined ? {} : { signal: this.#signal },
      );
    } catch (error) {
      this.#signal?.throwIfAborted();
      throw error;
    }
  }

  /** Makes attempts until one succeeds. */
  async until<T>(attempt: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await attempt();
      } catch (error) {
        await this.again(error);
      }
    }
  }
}
