import { LRUCache } from 'lru-cache';
import { SourceError } from '../errors.ts';
import { Failure } from '../sources/failure.ts';
import { HttpClient } from '../storage/http/client.ts';
import { publicName } from '../storage/http/httpStore.ts';
import { type HttpSettings, resolveSettings, type Settings } from '../storage/http/settings.ts';
import { checkedUrl } from '../storage/http/urls.ts';
import type { Located, Shelf } from './located.ts';
import { tooLarge } from './reference.ts';
import type { Cached, UrlCache } from './urlCache.ts';

export interface WebShelfOptions {
  /** Failures of its endpoints stop the run, which can go on when they are well again; those of others are rejects. */
  readonly http: HttpSettings;
  readonly cache: UrlCache;
  readonly maxBytes: number;
}

/** Files in a row that a server may fail to give before the others it has are not asked for any more. */
const PATIENCE = 3;
/** Servers whose failures are remembered. */
const SERVERS = 1024;

/** What a server says about one file, as the code of a reject. */
const ABOUT_ONE: Readonly<Record<string, string>> = {
  NOT_AUTHORISED: 'FORBIDDEN_REFERENCE',
  FORBIDDEN: 'FORBIDDEN_REFERENCE',
  HOST_NOT_ALLOWED: 'HOST_NOT_ALLOWED',
  PRIVATE_ADDRESS: 'HOST_NOT_ALLOWED',
  BAD_URL: 'BAD_REFERENCE',
  TOO_LARGE: 'REFERENCE_TOO_LARGE',
};

/** Files at http(s) URLs, each fetched once into a cache. */
export class WebShelf implements Shelf {
  readonly #options: WebShelfOptions;
  readonly #settings: Settings;
  readonly #client: HttpClient;
  readonly #failed = new LRUCache<string, number>({ max: SERVERS });

  /** @throws PipelineError `BAD_OPTION` */
  constructor(options: WebShelfOptions) {
    this.#options = options;
    this.#settings = resolveSettings(options.http);
    this.#client = new HttpClient(options.http);
  }

  /**
   * @throws Failure `FORBIDDEN_REFERENCE`, `HOST_NOT_ALLOWED`, `REFERENCE_TOO_LARGE`, `BAD_REFERENCE`, and of servers
   * that nobody configured `UNREACHABLE`; SourceError where one that was configured fails
   */
  async find(urls: readonly string[], signal: AbortSignal): Promise<Located | undefined> {
    for (const url of urls) {
      const found = await this.#find(url, signal);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  async #find(reference: string, signal: AbortSignal): Promise<Located | undefined> {
    const { cache } = this.#options;
    // Also of what is in the cache already: whether a file is taken must not depend on who was here before.
    const { href: url, origin } = this.#allowed(reference);
    const entry = await cache.entry(url, signal, () => this.#fetch(url, origin, signal));
    if (entry === undefined) return undefined;
    if (entry.size > this.#options.maxBytes) throw tooLarge(entry.size, this.#options.maxBytes);
    const { size, sha256 } = entry;
    return { uri: publicName(url), size, key: `${url}\0${sha256}`, read: () => cache.read(url, entry) };
  }

  #allowed(reference: string): URL {
    try {
      return checkedUrl(reference, this.#settings);
    } catch (error) {
      throw error instanceof SourceError ? (aboutOne(error) ?? error) : error;
    }
  }

  async #fetch(url: string, origin: string, signal: AbortSignal): Promise<Cached | undefined> {
    if ((this.#failed.get(origin) ?? 0) >= PATIENCE) throw unreachable('its server failed for others before it');
    try {
      const entry = await this.#download(url, signal);
      this.#failed.delete(origin);
      return entry;
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof SourceError && error.code === 'NOT_FOUND') return undefined;
      throw this.#judged(origin, error);
    }
  }

  async #download(url: string, signal: AbortSignal): Promise<Cached> {
    const { cache, maxBytes } = this.#options;
    const client = this.#client;
    try {
      const facts = await client.describe(url, { signal });
      if (facts.size > maxBytes) throw tooLarge(facts.size, maxBytes);
      return await cache.put(url, client.range(facts, 0, facts.size, { signal }), maxBytes, facts.etag);
    } catch (error) {
      if (!(error instanceof SourceError && error.code === 'NO_SIZE')) throw error;
    }
    // Of unknown length: nothing tells a body that was cut from a whole one but the way it ends.
    const { body } = await client.request(url, { maxBytes, signal });
    return cache.put(url, oneChunk(body), maxBytes);
  }

  #judged(origin: string, error: unknown): unknown {
    if (!(error instanceof SourceError)) return error;
    const failure = aboutOne(error);
    if (failure !== undefined) return failure;
    if (this.#settings.endpoints.has(origin)) return error;
    this.#failed.set(origin, (this.#failed.get(origin) ?? 0) + 1);
    return unreachable(error.message, error);
  }
}

/** What a server says of a file, and nothing of the server. */
function aboutOne(error: SourceError): Failure | undefined {
  const code = ABOUT_ONE[error.code];
  return code === undefined ? undefined : new Failure(code, error.message, error.hint, error);
}

function unreachable(what: string, cause?: unknown): Failure {
  return new Failure(
    'UNREACHABLE',
    what,
    'Run again with --fresh when its server is well; what was fetched is kept.',
    cause,
  );
}

async function* oneChunk(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
