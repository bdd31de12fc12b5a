import path from 'node:path';
import { LRUCache } from 'lru-cache';
import { PipelineError } from '../errors.ts';
import type { JsonValue } from '../json.ts';
import { cacheRoot } from '../storage/cacheRoot.ts';
import { parseHubLocation } from '../storage/hub/location.ts';
import { hubSettings } from '../storage/hub/settings.ts';
import { schemeOf } from '../storage/location.ts';
import type { RemoteOptions } from '../storage/remoteOptions.ts';
import { Stores } from '../storage/stores.ts';
import { ArchiveFiles } from './archiveFiles.ts';
import { type ArchiveShelf, ArchiveShelves } from './archiveShelves.ts';
import { BucketShelf } from './bucketShelf.ts';
import { HubShelves } from './hubShelf.ts';
import { LocalShelf } from './localShelf.ts';
import type { Shelf } from './located.ts';
import { UrlCache } from './urlCache.ts';
import { WebShelf } from './webShelf.ts';

export interface ShelvesOptions {
  /** Hosts and buckets that rows may name. */
  readonly hosts: readonly string[];
  /** Bytes of one file at most. */
  readonly maxBytes: number;
  /** Default: see {@link cacheRoot}. */
  readonly cache?: string | undefined;
  readonly remote?: RemoteOptions | undefined;
}

/** Bases that are remembered: a run has few. */
const BASES = 64;
const ARCHIVES = 1 << 14;
/** Files of archives stay open this long behind a split: another is likely to follow. */
const REST_MS = 5_000;

/** Everything that files may lie in, each made when something asks for it. */
export class Shelves {
  readonly #options: ShelvesOptions;
  readonly #folders = new LRUCache<string, Shelf>({ max: BASES });
  #endpoint: string | undefined;
  #hub: HubShelves | undefined;
  #web: WebShelf | undefined;
  #bucket: BucketShelf | undefined;
  #archivesOpen: ArchiveShelves | undefined;
  readonly #archiveShelves = new LRUCache<string, ArchiveShelf>({ max: ARCHIVES });
  #users = 0;
  #resting: NodeJS.Timeout | undefined;

  constructor(options: ShelvesOptions) {
    this.#options = options;
  }

  /** A dataset that a row names. */
  dataset(repository: string, revision: string | undefined): Shelf {
    return this.#hubs.shelf(repository, revision, true);
  }

  /** What a base says, paths in it being relative to it. */
  folder(base: string): Shelf {
    let shelf = this.#folders.get(base);
    if (shelf === undefined) {
      shelf = this.#folder(base.replace(/\/+$/, '') || base);
      this.#folders.set(base, shelf);
    }
    return shelf;
  }

  /** Address of the Hub. */
  get endpoint(): string {
    this.#endpoint ??= hubSettings(this.#options.remote?.hub).endpoint;
    return this.#endpoint;
  }

  /** Files by their http(s) URLs. */
  get web(): Shelf {
    const { hosts, maxBytes, remote } = this.#options;
    this.#web ??= new WebShelf({
      http: {
        ...remote?.http,
        hosts: hosts.filter((host) => !host.startsWith('s3:')),
        endpoints: [...(remote?.http?.endpoints ?? []), this.endpoint],
      },
      cache: this.#urls,
      maxBytes,
    });
    return this.#web;
  }

  /** Objects by their s3:// URLs. */
  get bucket(): Shelf {
    this.#bucket ??= this.#bucketShelf((bucket) => this.#options.hosts.includes(`s3://${bucket}`));
    return this.#bucket;
  }

  /** Members of an archive, whose name is relative to the base unless it is an address or absolute. */
  archive(name: string, base: string | undefined): ArchiveShelf {
    const key = `${name}\0${base ?? ''}`;
    const shelf = this.#archiveShelves.get(key) ?? this.#archives.shelf(name, base);
    this.#archiveShelves.set(key, shelf);
    return shelf;
  }

  /** What tells these versions of archives from others. @throws SourceError where one cannot be had */
  async identify(names: readonly string[], base: string | undefined, signal: AbortSignal): Promise<JsonValue> {
    const facts: JsonValue[] = [];
    for (const name of names) facts.push([...(await this.#archives.identify(name, base, signal))]);
    return facts;
  }

  /** Counts a flow that uses all this; once the last has ended for a while, what is open is closed. */
  use(): () => void {
    this.#users++;
    clearTimeout(this.#resting);
    return () => {
      if (--this.#users > 0) return;
      this.#resting = setTimeout(() => this.#archivesOpen?.rest(), REST_MS);
      this.#resting.unref();
    };
  }

  get #archives(): ArchiveShelves {
    const { cache, remote } = this.#options;
    this.#archivesOpen ??= new ArchiveShelves(
      new ArchiveFiles({ hubs: () => this.#hubs, urls: this.#urls, remote }),
      cache,
    );
    return this.#archivesOpen;
  }

  get #hubs(): HubShelves {
    const { maxBytes, remote } = this.#options;
    this.#hub ??= new HubShelves(maxBytes, { hub: remote?.hub, http: remote?.http });
    return this.#hub;
  }

  get #urls(): UrlCache {
    return new UrlCache(path.join(this.#options.cache ?? cacheRoot(), 'http'));
  }

  #bucketShelf(allows: (bucket: string) => boolean): BucketShelf {
    const { maxBytes, remote } = this.#options;
    return new BucketShelf({ stores: new Stores(remote), cache: this.#urls, maxBytes, allows });
  }

  #folder(base: string): Shelf {
    const scheme = schemeOf(base);
    if (scheme === undefined) return new LocalShelf(path.resolve(base));
    if (scheme === 'hf') {
      const { repository, revision, path: folder } = parseHubLocation(base);
      return below(folder, this.#hubs.shelf(repository, revision, false));
    }
    if (scheme === 's3') {
      const own = /^s3:\/\/([^/]+)/i.exec(base)?.[1];
      return below(
        base,
        this.#bucketShelf((bucket) => bucket === own),
      );
    }
    if (scheme === 'http' || scheme === 'https') {
      const address = (name: string): string => `${base}/${name.split('/').map(encodeURIComponent).join('/')}`;
      return { find: (names, signal) => this.web.find(names.map(address), signal) };
    }
    throw new PipelineError(`nothing is known of the base '${base}'`, {
      code: 'UNKNOWN_SCHEME',
      hint: 'Give a folder, hf://datasets/owner/name, https:// or s3://.',
    });
  }
}

function below(folder: string, shelf: Shelf): Shelf {
  if (folder === '') return shelf;
  return {
    find: (names, signal) =>
      shelf.find(
        names.map((name) => `${folder}/${name}`),
        signal,
      ),
    vouch: async (signal) => shelf.vouch?.(signal),
  };
}
