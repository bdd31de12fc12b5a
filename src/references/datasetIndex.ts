import { LRUCache } from 'lru-cache';
import { SourceError } from '../errors.ts';
import type { CachedFile } from '../storage/hub/cacheFolder.ts';
import type { HubReader } from '../storage/hub/reader.ts';
import { Shared } from './shared.ts';

/** Times that a dataset is asked for single files before all that it has is listed: a listing answers a thousand at a time. */
const SINGLY = 32;
/** Files of a listing that is kept at most; a dataset with more is asked for single files. */
const MOST_LISTED = 100_000;
/** Memory that a file of a listing takes. */
const ENTRY_BYTES = 320;
const LISTINGS_BYTES = MOST_LISTED * ENTRY_BYTES;
const DATASETS = 4096;

/** Bytes that listings take at most. */
export const LISTINGS_HOLD = 2 * LISTINGS_BYTES;

interface Listing {
  /** Undefined where there are too many. */
  readonly files: ReadonlyMap<string, CachedFile> | undefined;
  /** False where nobody could be asked, and these are the files that happen to be in the cache. */
  readonly complete: boolean;
}

/** Which files there are at commits of datasets. */
export class DatasetIndex {
  readonly #reader: HubReader;
  readonly #asked = new LRUCache<string, number>({ max: DATASETS });
  readonly #listings = new Shared<Listing>({
    max: DATASETS,
    maxBytes: LISTINGS_BYTES,
    sizeOf: ({ files }) => (files?.size ?? 0) * ENTRY_BYTES,
  });

  constructor(reader: HubReader) {
    this.#reader = reader;
  }

  /** The first of some paths at which there is a file. */
  async first(
    repository: string,
    commit: string,
    paths: readonly string[],
    signal: AbortSignal,
  ): Promise<CachedFile | undefined> {
    const { offline } = this.#reader.hub.settings;
    const name = `${repository}@${commit}`;
    const asked = (this.#asked.get(name) ?? 0) + 1;
    this.#asked.set(name, asked);
    if (offline || asked > SINGLY) {
      const { files } = await this.#listed(repository, commit, signal);
      if (files !== undefined) return firstOf(paths, (path) => files.get(path));
    }
    if (offline) throw this.#offline(repository);
    const found = await this.#reader.hub.look(repository, commit, paths, signal);
    return firstOf(paths, (path) => {
      const file = found.get(path);
      return file === 'folder' ? undefined : file;
    });
  }

  /** @throws SourceError `OFFLINE` where what was not found may be there all the same */
  async vouch(repository: string, commit: string, signal: AbortSignal): Promise<void> {
    if (!this.#reader.hub.settings.offline) return;
    if (!(await this.#listed(repository, commit, signal)).complete) throw this.#offline(repository);
  }

  #listed(repository: string, commit: string, signal: AbortSignal): Promise<Listing> {
    return this.#listings.get(`${repository}@${commit}`, signal, (during) => this.#list(repository, commit, during));
  }

  async #list(repository: string, commit: string, signal: AbortSignal): Promise<Listing> {
    const { hub, cache } = this.#reader;
    const kept = await cache.listing(repository, commit);
    if (kept !== undefined) return { files: byPath(kept), complete: true };
    if (hub.settings.offline) {
      const { files, complete } = await this.#reader.files(repository, commit);
      return { files: byPath(files), complete };
    }
    const files: CachedFile[] = [];
    for await (const file of hub.files(repository, commit, '', signal)) {
      if (files.push(file) > MOST_LISTED) return { files: undefined, complete: true };
    }
    files.sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
    await cache.setListing(repository, commit, files);
    return { files: byPath(files), complete: true };
  }

  #offline(repository: string): SourceError {
    return new SourceError(
      `the cache does not have all of the dataset '${repository}', and the Hub is not to be asked`,
      {
        code: 'OFFLINE',
        path: repository,
        hint: 'Unset HF_HUB_OFFLINE, or fetch it on a machine that may ask.',
      },
    );
  }
}

function byPath(files: readonly CachedFile[]): Listing['files'] {
  return files.length > MOST_LISTED ? undefined : new Map(files.map((file) => [file.path, file]));
}

function firstOf<T>(paths: readonly string[], find: (path: string) => T | undefined): T | undefined {
  for (const path of paths) {
    const found = find(path);
    if (found !== undefined) return found;
  }
  return undefined;
}
