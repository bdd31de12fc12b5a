import { readFile, stat } from 'node:fs/promises';
import { SourceError } from '../errors.ts';
import { Failure } from '../sources/failure.ts';
import { changed, type OpenFile } from '../sources/open-file.ts';
import type { FoundFile } from '../sources/walk.ts';
import { hubLocation, parseHubLocation } from '../storage/hub/location.ts';
import { foundFile, HubReader, type ReaderOptions } from '../storage/hub/reader.ts';
import { didYouMean } from '../suggest.ts';
import { DatasetIndex } from './datasetIndex.ts';
import type { Located, Shelf } from './located.ts';
import { tooLarge } from './reference.ts';
import { Shared } from './shared.ts';

/** Datasets of which is remembered what commit they are at, or that there are none. */
const DATASETS = 4096;

/** Datasets of the Hub, whose files come through its cache, verified. */
export class HubShelves {
  readonly #reader: HubReader;
  readonly #index: DatasetIndex;
  readonly #maxBytes: number;
  readonly #commits = new Shared<{ readonly commit: string } | { readonly error: SourceError }>({ max: DATASETS });

  /** @throws PipelineError `BAD_ENDPOINT`, `BAD_TOKEN`, `BAD_OPTION` */
  constructor(maxBytes: number, options: Omit<ReaderOptions, 'cache'>) {
    this.#reader = new HubReader({ ...options, cache: true });
    this.#index = new DatasetIndex(this.#reader);
    this.#maxBytes = maxBytes;
  }

  /**
   * Files of a dataset.
   *
   * @param named Whether a row named it: then a dataset that is not there, or is nobody's business, is that row's mistake.
   */
  shelf(repository: string, revision: string | undefined, named: boolean): Shelf {
    return {
      find: async (paths, signal) => {
        try {
          const commit = await this.#commitOf(repository, revision, signal);
          const found = await this.#found(repository, commit, paths, signal);
          return found === undefined ? undefined : await this.#located(repository, revision, commit, found);
        } catch (error) {
          throw judged(error, named);
        }
      },
      vouch: async (signal) =>
        this.#index.vouch(repository, await this.#commitOf(repository, revision, signal), signal),
    };
  }

  /** A file by its `hf://` address; undefined where there is none. */
  async findFile(location: string, signal: AbortSignal): Promise<FoundFile | undefined> {
    const { repository, revision, path } = parseHubLocation(location);
    const commit = await this.#commitOf(repository, revision, signal);
    const file = await this.#index.first(repository, commit, [path], signal);
    return file === undefined ? undefined : foundFile(repository, commit, file);
  }

  /** What lies beside a file that is not there, as a sentence. */
  async near(location: string, signal: AbortSignal): Promise<string> {
    const { repository, revision, path } = parseHubLocation(location);
    const commit = await this.#commitOf(repository, revision, signal);
    const folder = path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '';
    return didYouMean(path, await this.#reader.names(repository, commit, folder));
  }

  /** A file that was found, in the cache. */
  openFile(file: FoundFile, signal: AbortSignal): Promise<OpenFile> {
    return this.#reader.open(file, signal);
  }

  async #commitOf(repository: string, revision: string | undefined, signal: AbortSignal): Promise<string> {
    const found = await this.#commits.get(`${repository}@${revision ?? ''}`, signal, async (during) => {
      try {
        return { commit: await this.#reader.commitOf(repository, revision, during) };
      } catch (error) {
        // What the Hub says of a dataset holds for every row that names it; a network that fails does not.
        if (error instanceof SourceError && REFUSED.has(error.code)) return { error };
        throw error;
      }
    });
    if ('error' in found) throw found.error;
    return found.commit;
  }

  /** The first of some files that there is, in the cache: what is there is not asked for again. */
  async #found(
    repository: string,
    commit: string,
    paths: readonly string[],
    signal: AbortSignal,
  ): Promise<Found | undefined> {
    const [first = ''] = paths;
    // Of the others nobody knows whether there is one before them.
    const present = await this.#reader.cache.find(repository, commit, first);
    if (present !== undefined) return { path: first, place: present };
    const file = await this.#index.first(repository, commit, paths, signal);
    if (file === undefined) return undefined;
    if (file.size > this.#maxBytes) throw tooLarge(file.size, this.#maxBytes);
    const open = await this.#reader.open(foundFile(repository, commit, file), signal);
    await open.close();
    return { path: file.path, place: open.local ?? '' };
  }

  async #located(
    repository: string,
    revision: string | undefined,
    commit: string,
    { path, place }: Found,
  ): Promise<Located> {
    const { size } = await stat(place);
    if (size > this.#maxBytes) throw tooLarge(size, this.#maxBytes);
    return {
      uri: hubLocation({ repository, revision, path }),
      size,
      key: hubLocation({ repository, revision: commit, path }),
      read: () => readWhole(place, size, path),
    };
  }
}

/** A file of a dataset, and where it lies in the cache. */
interface Found {
  readonly path: string;
  readonly place: string;
}

async function readWhole(place: string, size: number, path: string): Promise<Uint8Array> {
  const bytes = await readFile(place).catch(() => undefined);
  if (bytes?.length === size) return bytes;
  throw changed(path, 'the cache of the Hub does not hold it any more');
}

const REFUSED = new Set(['NOT_FOUND', 'NOT_AUTHORISED', 'FORBIDDEN']);

function judged(error: unknown, named: boolean): unknown {
  if (!(error instanceof SourceError)) return error;
  const { code, message, hint } = error;
  if (code === 'UNSAFE_PATH') {
    return new Failure('UNSAFE_REFERENCE', 'the path has names that not every system takes', hint, error);
  }
  if (!named || !REFUSED.has(code)) return error;
  // The Hub says 401 also of datasets that do not exist, so as not to tell.
  return new Failure(code === 'NOT_FOUND' ? 'MISSING_REFERENCE' : 'FORBIDDEN_REFERENCE', message, hint, error);
}
