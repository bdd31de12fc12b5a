import path from 'node:path';
import { PipelineError } from '../errors.ts';
import { type OpenFile, openLocal } from '../sources/open-file.ts';
import type { FoundFile } from '../sources/walk.ts';
import { cacheRoot } from './cacheRoot.ts';
import { schemeOf } from './location.ts';
import { type ByteRange, ReadAhead } from './readAhead.ts';
import type { RemoteOptions } from './remoteOptions.ts';
import { wholeFile } from './wholeFile.ts';

/** A place that files are kept in, under URLs of its own. */
export interface Store {
  /**
   * Lists what an input means: a file, or all that a pattern matches, in the byte order of their names.
   * @throws SourceError
   */
  list?(input: string, signal?: AbortSignal): AsyncIterable<FoundFile>;
  /** @throws SourceError `INPUT_CHANGED` where it is another file than was listed; `NETWORK` and others where it cannot be had */
  open(file: FoundFile, signal?: AbortSignal): Promise<OpenFile>;
}

type MakeStore = (options: RemoteOptions, inputs: readonly string[]) => Promise<Store>;

const http: MakeStore = async ({ http = {} }, inputs) => (await import('./http/httpStore.ts')).httpStore(http, inputs);

/** Loaded when a URL asks for it: most runs read files of this machine alone. */
const kinds: Readonly<Record<string, MakeStore>> = {
  http,
  https: http,
  hf: async (options) => (await import('./hub/hubStore.ts')).hubStore(options),
  s3: async ({ s3 = {}, http = {} }) => (await import('./s3/s3Store.ts')).s3Store(s3, http),
};

/** All stores that a source may read, each with the source's settings. */
export class Stores {
  readonly #options: RemoteOptions;
  readonly #inputs: readonly string[];
  readonly #open = new Map<string, Promise<Store>>();
  readonly #ahead = new ReadAhead();

  /**
   * @param given stores that are open already, by their schemes
   * @param inputs what a person named, and so trusts: never what was found in data
   */
  constructor(
    options: RemoteOptions = {},
    given: Readonly<Record<string, Store>> = {},
    inputs: readonly string[] = [],
  ) {
    this.#options = options;
    this.#inputs = inputs;
    for (const [scheme, store] of Object.entries(given)) this.#open.set(scheme, Promise.resolve(store));
  }

  /** @throws RecordError where a local file cannot be opened; otherwise as {@link Store.open} */
  async open(file: FoundFile, signal?: AbortSignal): Promise<OpenFile> {
    const scheme = schemeOf(file.location);
    if (scheme === undefined) return openLocal(file);
    return this.#ahead.over(await this.#remote(scheme, file, signal));
  }

  /** Fetches a remote file, or ranges of it, ahead of time; what lies on this machine then needs nothing more. */
  async fetch(
    file: FoundFile,
    needs: (file: OpenFile) => Promise<readonly ByteRange[]> | readonly ByteRange[],
    signal: AbortSignal,
  ): Promise<void> {
    const scheme = schemeOf(file.location);
    if (scheme === undefined) return;
    const open = await this.#remote(scheme, file, signal);
    try {
      if (open.local === undefined) await this.#ahead.fetch(open, await needs(open), signal);
    } finally {
      await open.close();
    }
  }

  async *list(input: string, signal?: AbortSignal): AsyncGenerator<FoundFile> {
    const store = await this.#store(schemeOf(input) ?? '');
    if (store.list !== undefined) yield* store.list(input, signal);
  }

  async #remote(scheme: string, file: FoundFile, signal: AbortSignal | undefined): Promise<OpenFile> {
    const open = await (await this.#store(scheme)).open(file, signal);
    // The Hub has a cache of its own, with hashes.
    if (this.#options.cache !== true || scheme === 'hf') return open;
    return wholeFile(file, open, path.join(cacheRoot(), 'files'), signal);
  }

  #store(scheme: string): Promise<Store> {
    let store = this.#open.get(scheme);
    if (store === undefined) {
      const make = kinds[scheme];
      if (make === undefined) {
        throw new PipelineError(`nothing is known of '${scheme}://'`, {
          code: 'UNKNOWN_SCHEME',
          hint: `Inputs are paths, or URLs that begin with ${Object.keys(kinds).join('://, ')}://.`,
        });
      }
      store = make(this.#options, this.#inputs);
      store.catch(() => this.#open.delete(scheme));
      this.#open.set(scheme, store);
    }
    return store;
  }
}
