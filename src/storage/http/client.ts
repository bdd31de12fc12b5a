import { AttemptFailure, statusFailure, transportFailure } from './attemptFailure.ts';
import { Attempts } from './attempts.ts';
import { describeFile, type RemoteFacts, type RemoteIdentity } from './facts.ts';
import { bytesHeader, type Headers } from './headers.ts';
import { rangeBody } from './rangeBody.ts';
import type { Method } from './redirects.ts';
import { type HttpSettings, resolveSettings } from './settings.ts';
import { type Answer, Transport } from './transport.ts';
import { shownUrl } from './urls.ts';
import { chunksOf } from './watchdog.ts';

export interface RequestOptions {
  /** Default GET. */
  readonly method?: Method | undefined;
  /** For the origin of the address; a redirect to another one does not get them. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: string | Uint8Array | undefined;
  /** Bytes of the longest answer that is taken. Default 16 MiB. */
  readonly maxBytes?: number | undefined;
  /** Whether it does no harm to send it twice. Default: true of GET and HEAD. */
  readonly idempotent?: boolean | undefined;
  /** Returns answers of every status instead of throwing; those that may pass are still retried. Default false. */
  readonly anyStatus?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Reply {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Headers;
  readonly body: Uint8Array<ArrayBuffer>;
}

export interface SignalOptions {
  /** Ends this one request at once, with its reason. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * The one way to talk to servers: bounded, resumed, checked.
 *
 * Answers 408, 425, 429, 500, 502, 503 and 504, failed connections and stalls are tried again, after the wait that the
 * server asks for or with exponential backoff and full jitter. What outlasts that is a SourceError:
 *
 * | code                                          | meaning                                                          |
 * | --------------------------------------------- | ---------------------------------------------------------------- |
 * | `NETWORK`, `STALLED`, `TLS`                   | the server or the way to it is out of order                      |
 * | `RATE_LIMITED`                                | it asks for fewer requests, or for a longer wait than is allowed |
 * | `NOT_AUTHORISED`, `FORBIDDEN`, `NOT_FOUND`    | 401; 403; 404 and 410                                            |
 * | `HTTP_STATUS`                                 | any other status                                                 |
 * | `INPUT_CHANGED`                               | the file is not the one that was described                       |
 * | `NO_RANGES`, `NO_SIZE`, `CONTENT_ENCODED`     | the server cannot hand out exact parts of it                     |
 * | `BAD_RANGE`, `BAD_ANSWER`, `TOO_LARGE`        | bytes that are not there; an answer that is wrong, or too long   |
 * | `BAD_URL`, `HOST_NOT_ALLOWED`, `PRIVATE_ADDRESS`, `BAD_REDIRECT`, `REDIRECT_LOOP` | an address that must not be asked |
 *
 * Errors never hold what stands behind `?` in an address, nor a header.
 *
 * ```ts
 * const client = new HttpClient({ hosts: ['huggingface.co', '*.hf.co'] });
 * const file = await client.describe('https://huggingface.co/datasets/owner/name/resolve/main/data.parquet');
 * for await (const chunk of client.range(file, file.size - 8, file.size)) console.log(chunk);
 * ```
 */
export class HttpClient {
  readonly #transport: Transport;

  /** @throws PipelineError `BAD_OPTION` */
  constructor(settings: HttpSettings = {}) {
    this.#transport = new Transport(resolveSettings(settings));
  }

  /**
   * Sends one request and reads the whole answer: for JSON and texts.
   *
   * @throws SourceError
   */
  async request(url: string, options: RequestOptions = {}): Promise<Reply> {
    const { method = 'GET', maxBytes = 16 << 20 } = options;
    const again = options.idempotent ?? (method === 'GET' || method === 'HEAD');
    const transport = this.#transport;
    const signal = transport.signal(options.signal);
    return new Attempts(transport.settings, signal).until(async () => {
      const place = await transport.gate.enter(signal);
      let answer: Answer | undefined;
      try {
        answer = await transport.send(url, { method, headers: options.headers, body: options.body }, signal);
        const { status, headers, path } = answer;
        const failure = status < 400 ? undefined : statusFailure(path, status, headers);
        if (failure !== undefined && !(options.anyStatus === true && (failure.retries === 0 || !again))) {
          await transport.drain(answer.body);
          throw failure;
        }
        return { status, headers, body: await readWhole(transport, answer, method, maxBytes) };
      } catch (error) {
        const failure = transportFailure(answer?.path ?? shownUrl(url), error);
        throw failure instanceof AttemptFailure && !again ? failure.withRetries(0) : failure;
      } finally {
        answer?.body.destroy();
        place.leave();
      }
    });
  }

  /**
   * Asks what a file is, and how to recognise it.
   *
   * @throws SourceError, among others `NO_SIZE` where the server does not tell its length.
   */
  describe(url: string, options: SignalOptions = {}): Promise<RemoteFacts> {
    return describeFile(this.#transport, url, this.#transport.signal(options.signal));
  }

  /**
   * The bytes `[start, end)` of a file, exactly and in order. What a broken, short or stalled body leaves out is asked
   * for anew; size and validator of every answer are compared with those of `file`. Chunks are views of buffers that
   * they may share: read them, or copy what is to be written to or moved.
   *
   * Ending the iteration closes the connection. A stream that nobody reads for long lends its place among the open
   * requests to others.
   *
   * @throws SourceError
   */
  range(
    file: RemoteIdentity,
    start: number,
    end: number,
    options: SignalOptions = {},
  ): AsyncGenerator<Uint8Array, void, undefined> {
    return rangeBody(this.#transport, file, start, end, this.#transport.signal(options.signal));
  }

  /** Ends what is under way and closes all connections. Idle ones keep no process alive without it. */
  close(): Promise<void> {
    return this.#transport.close();
  }
}

async function readWhole(
  { settings }: Transport,
  answer: Answer,
  method: Method,
  maxBytes: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  const check = (length: number): void => {
    if (length <= maxBytes) return;
    throw new AttemptFailure('TOO_LARGE', answer.path, `the answer is longer than ${maxBytes} bytes`);
  };
  if (method !== 'HEAD') check(bytesHeader(answer.headers, 'content-length') ?? 0);
  let bytes = 0;
  for await (const chunk of chunksOf(answer, settings.stallMs)) {
    settings.onTransfer(chunk.length);
    bytes += chunk.length;
    check(bytes);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
