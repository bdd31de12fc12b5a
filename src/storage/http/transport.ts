import { Agent, type Dispatcher } from 'undici';
import { version } from '../../run/version.ts';
import { guardedLookup } from './addresses.ts';
import { AttemptFailure, transportFailure } from './attemptFailure.ts';
import { type Headers, header, joinHeaders } from './headers.ts';
import { type Hop, type Method, MOST_HOPS, nextHop, RedirectMemory } from './redirects.ts';
import { RequestGate } from './requestGate.ts';
import type { Settings } from './settings.ts';
import { checkedUrl, originOf, shownUrl } from './urls.ts';
import { stalled, within } from './watchdog.ts';

export interface Sending {
  readonly method: Method;
  /** For every origin on the way: what the protocol itself needs. */
  readonly protocol?: Readonly<Record<string, string>> | undefined;
  /** For the origin that is asked first, and no other. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: string | Uint8Array | undefined;
}

/** An answer behind all redirects. Whoever gets it must read or destroy its body. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Dispatcher.ResponseData['body'];
  /** Where it came from. */
  readonly url: URL;
  /** The same for messages. */
  readonly path: string;
  /** Headers of the first answer: of this one, or of the first redirect. */
  readonly first: Headers;
  readonly redirected: boolean;
}

/** Bytes of a redirect's body that are read to keep the connection; a longer one closes it. */
const DRAINED = 16 << 10;

/** Milliseconds after which a connection that does not come about is given up. */
export const CONNECT_MS = 10_000;

const USER_AGENT = `sluice/${version}`;

/** Sends requests one by one, through redirects, to addresses that are allowed. Retries nothing. */
export class Transport {
  readonly settings: Settings;
  readonly gate: RequestGate;
  readonly targets = new RedirectMemory();
  readonly #closed = new AbortController();
  readonly #signal: AbortSignal;
  /** For addresses that data names. */
  readonly #guarded: Agent;
  /** For those that a person configured. */
  readonly #trusted: Agent;

  constructor(settings: Settings) {
    this.settings = settings;
    this.gate = new RequestGate(settings.openRequests);
    this.#signal =
      settings.signal === undefined ? this.#closed.signal : AbortSignal.any([settings.signal, this.#closed.signal]);
    // The watchdog counts to the millisecond; the timers of the library do not.
    const agent = { headersTimeout: 0, bodyTimeout: 0 };
    const timeout = Math.min(CONNECT_MS, settings.stallMs);
    this.#guarded = new Agent({ ...agent, connect: { timeout, lookup: guardedLookup() } });
    this.#trusted = new Agent({ ...agent, connect: { timeout } });
  }

  /** The client's signal, and with it the caller's. */
  signal(own: AbortSignal | undefined): AbortSignal {
    return own === undefined ? this.#signal : AbortSignal.any([this.#signal, own]);
  }

  /** Ends what is under way and closes all connections. */
  async close(): Promise<void> {
    this.#closed.abort();
    await Promise.all([this.#guarded.destroy(), this.#trusted.destroy()]);
  }

  /**
   * Sends a request and follows its redirects. The caller holds a place of the gate.
   *
   * @throws AttemptFailure where the network or a server fails; SourceError for an address that must not be asked.
   */
  async send(target: string, sending: Sending, signal: AbortSignal): Promise<Answer> {
    const asked = checkedUrl(target, this.settings);
    let hop: Hop = { url: asked, method: sending.method, body: sending.body };
    let first: Headers | undefined;
    for (let hops = 0; hops <= MOST_HOPS; hops++) {
      const { url } = hop;
      const { statusCode: status, headers: received, body } = await this.#dispatch(hop, asked, sending, signal);
      // Whoever iterates a body sees its errors; one that is destroyed unread must not end the process.
      body.on('error', () => {});
      const headers = joinHeaders(received);
      first ??= headers;
      let next: Hop | undefined;
      try {
        next = nextHop(hop, status, headers, this.settings);
        if (next === undefined) refuseEncoded(shownUrl(url), status, headers);
      } catch (error) {
        body.destroy();
        throw error;
      }
      if (next === undefined) return { status, headers, body, url, path: shownUrl(url), first, redirected: hops > 0 };
      await this.drain(body);
      signal.throwIfAborted();
      hop = next;
    }
    throw new AttemptFailure('REDIRECT_LOOP', shownUrl(asked), `it is redirected more than ${MOST_HOPS} times`);
  }

  /** Reads the little that is left of a body, so that its connection can be used again; closes it otherwise. */
  async drain(body: Answer['body']): Promise<void> {
    const timer = setTimeout(() => body.destroy(), this.settings.stallMs);
    await body.dump({ limit: DRAINED }).catch(() => {});
    clearTimeout(timer);
  }

  async #dispatch(hop: Hop, asked: URL, sending: Sending, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
    const { url, method, body } = hop;
    const origin = originOf(url);
    const { allowPrivate, endpoints } = this.settings;
    const agent = allowPrivate || endpoints.has(origin) ? this.#trusted : this.#guarded;
    const headers: Record<string, string> = { 'user-agent': USER_AGENT };
    const given = origin === originOf(asked) ? sending.headers : undefined;
    for (const more of [given, this.settings.headers(origin), { 'accept-encoding': 'identity' }, sending.protocol]) {
      for (const [name, value] of Object.entries(more ?? {})) headers[name.toLowerCase()] = value;
    }
    const path = shownUrl(url);
    const { stallMs } = this.settings;
    try {
      const request = { origin, path: `${url.pathname}${url.search}`, method, headers, body: body ?? null };
      const { value, release } = await within(
        stallMs,
        signal,
        () => stalled(path, stallMs),
        // `reset`: HEAD closes its connection otherwise, and all that come after it do the same.
        (ending) => agent.request({ ...request, reset: false, signal: ending }),
      );
      value.body.once('close', release);
      return value;
    } catch (error) {
      signal.throwIfAborted();
      throw transportFailure(path, error);
    }
  }
}

/** Ranges and sizes would count other bytes than those of the file. */
function refuseEncoded(path: string, status: number, headers: Headers): void {
  const encoding = header(headers, 'content-encoding')?.trim().toLowerCase() ?? '';
  if ((status !== 200 && status !== 206) || encoding === '' || encoding === 'identity') return;
  throw new AttemptFailure('CONTENT_ENCODED', path, `the server sends it encoded (${encoding}) although asked not to`, {
    hint: 'Store it without Content-Encoding, or fetch it by other means and read it from disk.',
  });
}
