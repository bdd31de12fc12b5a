import { readFile, stat } from 'node:fs/promises';
import { SourceError } from '../errors.ts';
import { Failure } from '../sources/failure.ts';
import { changed, type OpenFile } from '../sources/open-file.ts';
import type { FoundFile } from '../sources/walk.ts';
import { hubLocation, parseHubLocation } from '../storage/hub/location.ts';
import { foundFile, HubReader, type ReaderOptions } from '../storage/hub/reader.ts';
import type { Located, Shelf } from './located.ts';
import { tooLarge } from './reference.ts';
import { Shared } from './shared.ts';

type File = Omit<Located, 'uri'>;

/** Datasets of which is remembered what commit they are at, or that there are none. */
const DATASETS = 4096;

/** Datasets of the Hub, whose files come through its cache, verified. */
export class HubShelves {
  readonly #reader: HubReader;
  readonly #maxBytes: number;
  readonly #commits = new Shared<{ readonly commit: string } | { readonly error: SourceError }>({ max: DATASETS });

  /** @throws PipelineError `BAD_ENDPOINT`, `BAD_TOKEN`, `BAD_OPTION` */
  constructor(maxBytes: number, options: Omit<ReaderOptions, 'cache'>) {
    this.#reader = new HubReader({ ...options, cache: true });
    this.#maxBytes = maxBytes;
  }

  /**
   * Files of a dataset.
   *
   * @param named Whether a row named it: then a dataset that is not there, or is nobody's business, is that row's mistake.
   */
  shelf(repository: string, revision: string | undefined, named: boolean): Shelf {
    return {
      find: async (path, signal) => {
        try {
          const commit = await this.#commitOf(repository, revision, signal);
          const file = await this.#file(repository, commit, path, signal);
          return file === undefined ? undefined : { ...file, uri: hubLocation({ repository, revision, path }) };
        } catch (error) {
          throw judged(error, named);
        }
      },
      vouch: async (signal) => this.#vouch(repository, await this.#commitOf(repository, revision, signal)),
    };
  }

  async #vouch(repository: string, commit: string): Promise<void> {
    if (!this.#reader.hub.settings.offline || (await this.#reader.files(repository, commit)).complete) return;
    throw new SourceError(
      `the cache does not have all of the dataset '${repository}', and the Hub is not to be asked`,
      {
        code: 'OFFLINE',
        path: repository,
        hint: 'Unset HF_HUB_OFFLINE, or fetch it on a machine that may ask.',
      },
    );
  }

  /** A file by its `hf://` address; undefined where there is none. */
  async findFile(location: string, signal: AbortSignal): Promise<FoundFile | undefined> {
    const { repository, revision, path } = parseHubLocation(location);
    const commit = await this.#commitOf(repository, revision, signal);
    const file = await this.#reader.look(repository, commit, path, signal);
    return file === undefined || file === 'folder' ? undefined : foundFile(repository, commit, file);
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

  async #file(repository: string, commit: string, path: string, signal: AbortSignal): Promise<File | undefined> {
    const place = await this.#place(repository, commit, path, signal);
    if (place === undefined) return undefined;
    const { size } = await stat(place);
    if (size > this.#maxBytes) throw tooLarge(size, this.#maxBytes);
    return { size, key: hubLocation({ repository, revision: commit, path }), read: () => readWhole(place, size, path) };
  }

  /** Where a file lies in the cache: what is there is not asked for again. */
  async #place(repository: string, commit: string, path: string, signal: AbortSignal): Promise<string | undefined> {
    const present = await this.#reader.cache.find(repository, commit, path);
    if (present !== undefined) return present;
    const file = await this.#reader.look(repository, commit, path, signal);
    if (file === undefined) return undefined;
    if (file === 'folder') throw new Failure('UNREADABLE', 'it is a folder');
    if (file.size > this.#maxBytes) throw tooLarge(file.size, this.#maxBytes);
    const open = await this.#reader.open(foundFile(repository, commit, file), signal);
    await open.close();
    return open.local;
  }
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
