import type { HttpClient, Reply } from '../http/client.ts';
import { type Headers as HttpHeaders, header } from '../http/headers.ts';

/** An answer of the Hub's API that is no success. */
export class HubRefusal extends Error {
  override name = 'HubRefusal';
  readonly status: number;
  /** What the Hub calls it: `GatedRepo`, `RepoNotFound`, `RevisionNotFound`, `EntryNotFound`; undefined where it says nothing. */
  readonly kind: string | undefined;
  /** The Hub's own words, made harmless for a terminal; may be empty. */
  readonly said: string;

  constructor(status: number, headers: HttpHeaders, body?: Uint8Array) {
    const said = header(headers, 'x-error-message') ?? errorOf(body);
    super(`the Hub answers ${status}`);
    this.status = status;
    this.kind = header(headers, 'x-error-code');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: what a server says must not steer a terminal
    this.said = said.slice(0, 300).replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ');
  }
}

function errorOf(body: Uint8Array | undefined): string {
  try {
    const { error }: { error?: unknown } = JSON.parse(Buffer.from(body ?? []).toString());
    return typeof error === 'string' ? error : '';
  } catch {
    return '';
  }
}

/** Bytes of the longest answer of the API: a page of a listing has 1000 entries. */
const MOST_BYTES = 64 << 20;

/** Statuses whose answers have no body. */
const NO_BODY = new Set([204, 205, 304]);

/**
 * `fetch` for the Hub's client library, over a client that retries, bounds and checks. Credentials that the library adds
 * are left out: the client's own go by origin. Whatever is sent is taken to do no harm when it is sent twice, except
 * commits.
 *
 * @throws HubRefusal for an answer of 400 and above; SourceError where there is none
 */
export function hubFetch(http: HttpClient, signal?: AbortSignal): typeof fetch {
  return async (input, init = {}) => {
    const url = input instanceof Request ? input.url : String(input);
    const headers = Object.fromEntries(new Headers(init.headers));
    delete headers['authorization'];
    const method = init.method ?? 'GET';
    if (method !== 'GET' && method !== 'HEAD' && method !== 'POST')
      throw new TypeError(`no ${method} is sent this way`);
    if (init.body !== undefined && init.body !== null && typeof init.body !== 'string') {
      throw new TypeError('only text is sent this way');
    }
    const signals = [signal, init.signal].filter((one) => one !== undefined && one !== null);
    const reply = await http.request(url, {
      method,
      headers,
      body: init.body ?? undefined,
      anyStatus: true,
      idempotent: method !== 'POST' || !isCommit(url),
      maxBytes: MOST_BYTES,
      signal: signals.length === 0 ? undefined : AbortSignal.any(signals),
    });
    return responseOf(reply);
  };
}

const isCommit = (url: string): boolean => /\/api\/datasets\/[^/]+\/[^/]+\/commit\/[^/]+$/.test(url);

function responseOf({ status, headers, body }: Reply): Response {
  if (status >= 400) throw new HubRefusal(status, headers, body);
  return new Response(NO_BODY.has(status) ? null : body, { status, headers });
}
