import { Readable } from 'node:stream';
import { Agent } from 'undici';
import { OutputError } from '../../../errors.ts';
import { guardedLookup } from '../../http/addresses.ts';
import { AttemptFailure, statusFailure, transportFailure } from '../../http/attemptFailure.ts';
import { Attempts } from '../../http/attempts.ts';
import { header, joinHeaders } from '../../http/headers.ts';
import { type HttpSettings, MOST_MS, resolveSettings, type Settings } from '../../http/settings.ts';
import { checkedUrl, originOf, shownUrl } from '../../http/urls.ts';
import { stalled } from '../../http/watchdog.ts';

/** Bytes of an answer that are read: a store says little of what it took. */
const MOST_ANSWER = 64 << 10;

/**
 * How much longer an answer may take once everything is handed over: the system still holds megabytes, which take their
 * time on a slow line, and the store has them all to hash.
 */
const AT_THE_END = 10;

/**
 * Sends files to the addresses that a Hub gives for them: streamed from disk, begun anew where a connection breaks, and
 * never with the Hub's token, for whoever has such an address may write there.
 */
export class Uploads {
  readonly #settings: Settings;
  /** For stores that the Hub names. */
  readonly #guarded: Agent;
  /** For the Hub itself, wherever it lies. */
  readonly #trusted: Agent;
  readonly #onProgress: (bytes: number) => void;

  /** @param onProgress told of bytes that are on their way, and with a negative number of those that were lost */
  constructor(settings: HttpSettings, onProgress: (bytes: number) => void = () => {}) {
    this.#settings = resolveSettings(settings);
    const { stallMs } = this.#settings;
    // The library's timers do not see what is sent; each attempt has one of its own.
    const agent = { headersTimeout: 0, bodyTimeout: 0 };
    this.#guarded = new Agent({ ...agent, connect: { timeout: stallMs, lookup: guardedLookup() } });
    this.#trusted = new Agent({ ...agent, connect: { timeout: stallMs } });
    this.#onProgress = onProgress;
  }

  /**
   * Puts a file where an address says.
   *
   * @returns the entity tag that the store gives it
   * @throws SourceError; OutputError `UNREADABLE` where the file cannot be read
   */
  put(target: string, file: Blob, signal: AbortSignal | undefined): Promise<string | undefined> {
    return new Attempts(this.#settings, signal).until(() =>
      this.#attempt(checkedUrl(target, this.#settings), file, signal),
    );
  }

  async close(): Promise<void> {
    await Promise.all([this.#guarded.destroy(), this.#trusted.destroy()]);
  }

  async #attempt(url: URL, file: Blob, signal: AbortSignal | undefined): Promise<string | undefined> {
    const { allowPrivate, endpoints, stallMs } = this.#settings;
    const watch = new AbortController();
    const tooLong = (ms: number): NodeJS.Timeout =>
      setTimeout(() => watch.abort(stalled(shownUrl(url), ms)), Math.min(ms, MOST_MS));
    let timer = tooLong(stallMs);
    let sent = 0;
    let lost = false;
    const counted = async function* (this: Uploads): AsyncGenerator<Uint8Array> {
      for await (const chunk of readable(file)) {
        // What is read ahead of a connection that has broken counts for nothing.
        if (lost) return;
        timer.refresh();
        sent += chunk.length;
        this.#onProgress(chunk.length);
        yield chunk;
      }
      if (lost) return;
      clearTimeout(timer);
      timer = tooLong(AT_THE_END * stallMs);
    };
    const origin = originOf(url);
    const agent = allowPrivate || endpoints.has(origin) ? this.#trusted : this.#guarded;
    try {
      const {
        statusCode: status,
        headers,
        body,
      } = await agent.request({
        origin,
        path: `${url.pathname}${url.search}`,
        method: 'PUT',
        headers: { 'content-length': String(file.size) },
        body: Readable.from(counted.call(this), { objectMode: false }),
        signal: signal === undefined ? watch.signal : AbortSignal.any([watch.signal, signal]),
      });
      await body.dump({ limit: MOST_ANSWER }).catch(() => {});
      const answered = joinHeaders(headers);
      if (status >= 400) throw statusFailure(shownUrl(url), status, answered);
      if (status >= 300)
        throw new AttemptFailure('BAD_REDIRECT', shownUrl(url), `the store redirects an upload (${status})`);
      return header(answered, 'etag');
    } catch (error) {
      lost = true;
      this.#onProgress(-sent);
      if (watch.signal.aborted) throw watch.signal.reason;
      throw transportFailure(shownUrl(url), error);
    } finally {
      clearTimeout(timer);
    }
  }
}

async function* readable(file: Blob): AsyncGenerator<Uint8Array> {
  try {
    yield* file.stream();
  } catch (error) {
    throw new OutputError(`a file cannot be read: ${error instanceof Error ? error.message : String(error)}`, {
      code: 'UNREADABLE',
      cause: error,
    });
  }
}
