import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { PipelineError, RecordError, SourceError } from '../errors.ts';
import { type OpenFile, openLocal } from '../sources/open-file.ts';
import type { FoundFile } from '../sources/walk.ts';
import { publicName } from '../storage/http/httpStore.ts';
import { schemeOf } from '../storage/location.ts';
import type { RemoteOptions } from '../storage/remoteOptions.ts';
import { Stores } from '../storage/stores.ts';
import { didYouMean } from '../suggest.ts';
import type { HubShelves } from './hubShelf.ts';
import type { UrlCache } from './urlCache.ts';

/** An archive that a rule names. */
export interface ArchivePlace {
  /** Absolute path or URL. */
  readonly location: string;
  /** As documents name it: never a path of this machine. */
  readonly uri: string;
}

/**
 * What an archive of a rule means for rows with a base.
 *
 * @throws PipelineError `BAD_RULE` for a relative one where there is none
 */
export function archivePlace(name: string, base: string | undefined): ArchivePlace {
  const scheme = schemeOf(name);
  if (scheme !== undefined) return { location: name, uri: scheme.startsWith('http') ? publicName(name) : name };
  if (path.isAbsolute(name)) return { location: name, uri: path.basename(name) };
  if (base === undefined) {
    throw new PipelineError(`nothing says what the archive '${name}' is relative to`, {
      code: 'BAD_RULE',
      hint: 'Give its address or an absolute path, or set the base of attach.',
    });
  }
  const uri = path.posix.normalize(name);
  if (schemeOf(base) === undefined) return { location: path.resolve(base, name), uri };
  return archivePlace(`${base.replace(/\/+$/, '')}/${uri}`, undefined);
}

export interface ArchiveFilesOptions {
  readonly hubs: () => HubShelves;
  readonly urls: UrlCache;
  readonly remote: RemoteOptions | undefined;
}

/** Archives as files: those of the Hub in its cache, others from afar in the cache for URLs, each fetched once as a whole. */
export class ArchiveFiles {
  readonly #options: ArchiveFilesOptions;
  readonly #stores = new Map<string, Stores>();

  constructor(options: ArchiveFilesOptions) {
    this.#options = options;
  }

  /** @throws SourceError `NOT_FOUND` and whatever else keeps it from being had */
  async find({ location, uri }: ArchivePlace, signal: AbortSignal): Promise<FoundFile> {
    switch (schemeOf(location)) {
      case undefined: {
        const stats = await stat(location).catch(() => undefined);
        if (stats?.isFile() !== true) throw notFound(uri, await near(location));
        return { location, uri, size: stats.size, mtimeMs: Math.floor(stats.mtimeMs) };
      }
      case 'hf': {
        const file = await this.#options.hubs().findFile(location, signal);
        if (file === undefined) throw notFound(uri, await this.#options.hubs().near(location, signal));
        return { ...file, uri };
      }
      default: {
        for await (const file of this.#storesFor(location).list(location, signal)) {
          if (file.location === location) return { ...file, uri };
        }
        throw notFound(uri);
      }
    }
  }

  async open(file: FoundFile, signal: AbortSignal): Promise<OpenFile> {
    const { uri, location, size, etag, mtimeMs: changedMs = '' } = file;
    const scheme = schemeOf(location);
    if (scheme === undefined) return openHere(file);
    if (scheme === 'hf') return { ...(await this.#options.hubs().openFile(file, signal)), uri };
    // Another version of the file is another entry.
    const name = `${location}#${etag ?? `${size} ${changedMs}`}`;
    const { urls } = this.#options;
    await urls.entry(name, signal, async () => {
      const remote = await this.#storesFor(location).open(file, signal);
      try {
        return await urls.put(name, remote.stream(0, size), Number.POSITIVE_INFINITY, etag);
      } finally {
        await remote.close();
      }
    });
    const place = urls.place(name);
    const { mtimeMs } = await stat(place);
    const local = await openHere({ location: place, uri, size, mtimeMs: Math.floor(mtimeMs) });
    return {
      ...file,
      local: place,
      read: (start, end) => local.read(start, end),
      stream: (start, end) => local.stream(start, end),
      close: () => local.close(),
    };
  }

  /** Whoever names an archive in a rule has configured its server. */
  #storesFor(location: string): Stores {
    const origin = schemeOf(location) === 's3' ? '' : new URL(location).origin;
    let stores = this.#stores.get(origin);
    if (stores === undefined) {
      const { remote } = this.#options;
      const endpoints = [...(remote?.http?.endpoints ?? []), ...(origin === '' ? [] : [origin])];
      stores = new Stores({ ...remote, http: { ...remote?.http, endpoints } });
      this.#stores.set(origin, stores);
    }
    return stores;
  }
}

/** What lies beside a file that is not there. */
async function near(location: string): Promise<string> {
  const beside = await readdir(path.dirname(location)).catch(() => undefined);
  if (beside === undefined) return 'Its folder does not exist either.';
  return didYouMean(path.basename(location), beside);
}

function notFound(uri: string, there = ''): SourceError {
  return new SourceError(`there is no archive '${uri}'`, {
    code: 'NOT_FOUND',
    path: uri,
    hint: `Check what --archives names, or the archive rules of attach. ${there}`.trim(),
  });
}

/** An archive that nobody may read concerns every row. */
async function openHere(file: FoundFile): Promise<OpenFile> {
  try {
    return await openLocal(file);
  } catch (error) {
    if (!(error instanceof RecordError)) throw error;
    const { code, message, hint, cause } = error;
    throw new SourceError(message, { code, path: file.uri, hint, cause });
  }
}
