import picomatch from 'picomatch';
import { SourceError } from '../errors.ts';
import { Failure } from '../sources/failure.ts';
import type { Stores } from '../storage/stores.ts';
import type { Located, Shelf } from './located.ts';
import { tooLarge } from './reference.ts';
import type { Cached, UrlCache } from './urlCache.ts';

export interface BucketShelfOptions {
  readonly stores: Stores;
  readonly cache: UrlCache;
  readonly maxBytes: number;
  /** Whether rows may name this bucket. */
  allows(bucket: string): boolean;
}

/** Objects of S3 and its like, each fetched once into a cache. */
export class BucketShelf implements Shelf {
  readonly #options: BucketShelfOptions;

  constructor(options: BucketShelfOptions) {
    this.#options = options;
  }

  /**
   * @throws Failure `HOST_NOT_ALLOWED`, `FORBIDDEN_REFERENCE`, `REFERENCE_TOO_LARGE`; SourceError where the store fails
   */
  async find(urls: readonly string[], signal: AbortSignal): Promise<Located | undefined> {
    for (const url of urls) {
      const found = await this.#find(url, signal);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  async #find(url: string, signal: AbortSignal): Promise<Located | undefined> {
    const { cache, maxBytes } = this.#options;
    const bucket = /^s3:\/\/([^/]+)/i.exec(url)?.[1] ?? '';
    if (!this.#options.allows(bucket)) {
      throw new Failure(
        'HOST_NOT_ALLOWED',
        `the bucket '${bucket}' is not allowed`,
        `Add s3://${bucket} to the hosts of attach.`,
      );
    }
    // Listing finds one object by its key, unless that is a pattern: what rows say must not list whole buckets.
    if (picomatch.scan(url.slice(`s3://${bucket}/`.length)).isGlob) {
      throw new Failure(
        'BAD_REFERENCE',
        'its key looks like a pattern',
        'Keys with *, ?, [...] or (...) cannot be named in rows.',
      );
    }
    const entry = await cache.entry(url, signal, () => this.#fetch(url, signal));
    if (entry === undefined) return undefined;
    if (entry.size > maxBytes) throw tooLarge(entry.size, maxBytes);
    return { uri: url, size: entry.size, key: `${url}\0${entry.sha256}`, read: () => cache.read(url, entry) };
  }

  async #fetch(url: string, signal: AbortSignal): Promise<Cached | undefined> {
    const { stores, cache, maxBytes } = this.#options;
    try {
      for await (const file of stores.list(url, signal)) {
        if (file.location !== url) continue;
        if (file.size > maxBytes) throw tooLarge(file.size, maxBytes);
        const open = await stores.open(file, signal);
        try {
          return await cache.put(url, open.stream(0, file.size), maxBytes, file.etag);
        } finally {
          await open.close();
        }
      }
      return undefined;
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof SourceError)) throw error;
      if (error.code === 'NOT_FOUND') return undefined;
      if (error.code !== 'FORBIDDEN') throw error;
      throw new Failure('FORBIDDEN_REFERENCE', error.message, error.hint, error);
    }
  }
}
