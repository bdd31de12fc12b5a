import { SourceError } from '../../errors.ts';
import { AttemptFailure } from './attemptFailure.ts';
import { type Headers, header } from './headers.ts';
import type { Settings } from './settings.ts';
import { checkedUrl, originOf, shownUrl } from './urls.ts';

/** Redirects that one request follows at most. */
export const MOST_HOPS = 10;

const REDIRECTS = new Set([301, 302, 303, 307, 308]);

export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE';

/** A request as it is sent to one address. */
export interface Hop {
  readonly url: URL;
  readonly method: Method;
  readonly body: string | Uint8Array | undefined;
}

/**
 * Where an answer sends its request on to, checked anew; undefined where it is no redirect.
 *
 * As browsers do, POST becomes GET after 301, 302 and 303. Unlike them, nothing that was encrypted goes on in the clear,
 * and a body goes to no other origin.
 *
 * @throws AttemptFailure `BAD_REDIRECT`; SourceError as `checkedUrl` does.
 */
export function nextHop(from: Hop, status: number, headers: Headers, settings: Settings): Hop | undefined {
  if (!REDIRECTS.has(status)) return undefined;
  const path = shownUrl(from.url);
  const location = header(headers, 'location');
  if (location === undefined || !URL.canParse(location, from.url.href)) {
    throw new AttemptFailure('BAD_REDIRECT', path, `the server redirects (${status}) to no valid address`);
  }
  const url = checked(path, new URL(location, from.url), settings);
  if (from.url.protocol === 'https:' && url.protocol === 'http:') {
    throw new AttemptFailure('BAD_REDIRECT', path, `the server redirects to ${shownUrl(url)}, which is not encrypted`);
  }
  if (status === 303 || (from.method === 'POST' && status <= 302)) {
    return { url, method: from.method === 'HEAD' ? 'HEAD' : 'GET', body: undefined };
  }
  if (from.body !== undefined && originOf(url) !== originOf(from.url)) {
    throw new AttemptFailure('BAD_REDIRECT', path, `the server redirects what is sent to it to ${shownUrl(url)}`, {
      hint: 'Use that address if it is to be trusted.',
    });
  }
  return { ...from, url };
}

function checked(from: string, to: URL, settings: Settings): URL {
  try {
    return checkedUrl(to.href, settings);
  } catch (error) {
    if (!(error instanceof SourceError)) throw error;
    const { code, hint } = error;
    throw new SourceError(`'${from}' is redirected: ${error.message}`, { code, path: from, hint });
  }
}

/** Where bytes of an address were last read. */
export interface Target {
  readonly url: string;
  /** The validator that they came with, weak or strong. */
  readonly etag: string | undefined;
  /** The strong validator of the file by the address that was asked for; the same where that names none of its own. */
  readonly content: string | undefined;
}

const MOST_TARGETS = 1024;

/** Longer addresses than this are not kept: with it the memory is bounded. */
const MOST_LENGTH = 8 << 10;

/** Remembers where addresses lead, those used last: saves a round trip for each range that is read. */
export class RedirectMemory {
  /** In the order of use. */
  readonly #targets = new Map<string, Target>();

  /** The target of an address, if it is one of the version of the file that has this validator. */
  get(url: string, content: string | undefined): Target | undefined {
    const target = this.#targets.get(url);
    if (target === undefined || target.content !== content) return undefined;
    this.#targets.delete(url);
    this.#targets.set(url, target);
    return target;
  }

  set(url: string, target: Target): void {
    // A store that does not say which version it sends is found by the address each time, which says so.
    if (target.content !== undefined && target.etag === undefined) return;
    if (url.length > MOST_LENGTH || target.url.length > MOST_LENGTH) return;
    this.#targets.delete(url);
    this.#targets.set(url, target);
    for (const oldest of this.#targets.keys()) {
      if (this.#targets.size <= MOST_TARGETS) break;
      this.#targets.delete(oldest);
    }
  }

  forget(url: string): void {
    this.#targets.delete(url);
  }
}
