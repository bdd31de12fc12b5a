import { createHash } from 'node:crypto';
import { open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { OutputError, SourceError } from '../errors.ts';
import { diskCodes } from '../run/durable.ts';
import { lockFile } from '../run/fileLock.ts';
import { shownUrl } from '../storage/http/urls.ts';
import { tooLarge } from './reference.ts';

/** What the cache knows of a file besides its bytes. */
export interface Cached {
  /** Without query, user name and password. */
  readonly url: string;
  readonly size: number;
  /** Of the bytes, in hex. */
  readonly sha256: string;
  readonly etag?: string | undefined;
}

const POLL_MS = 50;

/**
 * Files by URL: `<folder>/<sha256 of the URL>` and beside it, with `.json`, what is known of it. An entry stays as it is,
 * so a run that is resumed finds the same bytes again; whoever wants newer ones removes the folder. Processes may share it:
 * entries appear whole, and the bytes are compared with their hash whenever they are read.
 */
export class UrlCache {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /**
   * What is known of a URL: from the cache, or by `fetch`, which `put`s it there. Of several processes one fetches, the
   * others wait for it. Undefined where `fetch` finds nothing.
   */
  async entry(url: string, signal: AbortSignal, fetch: () => Promise<Cached | undefined>): Promise<Cached | undefined> {
    for (;;) {
      const known = await this.#find(url);
      if (known !== undefined) return known;
      const locked = await this.#disk(() => lockFile(`${this.#file(url)}.lock`));
      if ('unlock' in locked) {
        try {
          return (await this.#find(url)) ?? (await fetch());
        } finally {
          await locked.unlock();
        }
      }
      await sleep(POLL_MS, undefined, { signal });
    }
  }

  /** Where the bytes of an entry lie. */
  place(url: string): string {
    return this.#file(url);
  }

  /**
   * The bytes of an entry.
   *
   * @throws SourceError `DAMAGED_CACHE` where they are not those that were put there; the entry is removed, so the next run fetches it anew
   */
  async read(url: string, { size, sha256 }: Cached): Promise<Uint8Array> {
    const file = this.#file(url);
    const bytes = await readFile(file).catch(() => undefined);
    if (bytes?.length === size && createHash('sha256').update(bytes).digest('hex') === sha256) return bytes;
    await rm(`${file}.json`, { force: true });
    throw new SourceError(`what the cache holds of '${shownUrl(url)}' is not what was put there`, {
      code: 'DAMAGED_CACHE',
      path: shownUrl(url),
      hint: 'It will be fetched anew: run again.',
    });
  }

  /**
   * Puts a file there; for the `fetch` of {@link entry}.
   *
   * @throws Failure `REFERENCE_TOO_LARGE`; OutputError where the disk refuses; what `body` throws
   */
  async put(url: string, body: AsyncIterable<Uint8Array>, maxBytes: number, etag?: string): Promise<Cached> {
    const file = this.#file(url);
    // Nobody else writes it meanwhile, and what a process that was killed has left is written over.
    const temporary = `${file}.incomplete`;
    try {
      const { size, sha256 } = await this.#write(temporary, body, maxBytes);
      const entry: Cached = { url: shownUrl(url), size, sha256, ...(etag === undefined ? {} : { etag }) };
      await this.#disk(async () => {
        await rename(temporary, file);
        await writeFile(temporary, JSON.stringify(entry));
        await rename(temporary, `${file}.json`);
      });
      return entry;
    } finally {
      await rm(temporary, { force: true });
    }
  }

  async #find(url: string): Promise<Cached | undefined> {
    const file = this.#file(url);
    const text = await readFile(`${file}.json`, 'utf8').catch(() => undefined);
    const entry = text === undefined ? undefined : parsed(text);
    // Somebody may have made room.
    return entry?.size === (await stat(file).catch(() => undefined))?.size ? entry : undefined;
  }

  async #write(
    file: string,
    body: AsyncIterable<Uint8Array>,
    maxBytes: number,
  ): Promise<Pick<Cached, 'size' | 'sha256'>> {
    const handle = await this.#disk(() => open(file, 'w'));
    try {
      const hash = createHash('sha256');
      let size = 0;
      for await (const chunk of body) {
        size += chunk.length;
        if (size > maxBytes) throw tooLarge(size, maxBytes);
        hash.update(chunk);
        await this.#disk(() => handle.writeFile(chunk));
      }
      return { size, sha256: hash.digest('hex') };
    } finally {
      await handle.close();
    }
  }

  async #disk<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      const code = (error as { code?: unknown } | null)?.code;
      if (typeof code !== 'string' || !diskCodes.has(code)) throw error;
      throw new OutputError(`the cache of references cannot be written: ${(error as Error).message}`, {
        code,
        path: this.#folder,
        hint: 'Make room or mend the permission and run again, or set the cache folder of attach to one on another disk.',
        cause: error,
      });
    }
  }

  #file(url: string): string {
    return path.join(this.#folder, createHash('sha256').update(url).digest('hex'));
  }
}

/** What a person or a broken disk has changed says nothing. */
function parsed(text: string): Cached | undefined {
  try {
    const { url, size, sha256, etag } = JSON.parse(text) as Partial<Record<keyof Cached, unknown>>;
    if (typeof url !== 'string' || typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0)
      return undefined;
    if (typeof sha256 !== 'string' || !/^[0-9a-f]{64}$/.test(sha256)) return undefined;
    return { url, size, sha256, etag: typeof etag === 'string' ? etag : undefined };
  } catch {
    return undefined;
  }
}
