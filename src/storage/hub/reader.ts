import { readFile, stat } from 'node:fs/promises';
import { SourceError } from '../../errors.ts';
import { changed, type OpenFile, openLocal } from '../../sources/open-file.ts';
import type { FoundFile } from '../../sources/walk.ts';
import { didYouMean } from '../../suggest.ts';
import type { HttpSettings } from '../http/settings.ts';
import { rangeFile } from '../rangeFile.ts';
import { type CachedFile, CacheFolder } from './cacheFolder.ts';
import { intoCache, type Wanted } from './download.ts';
import { Hub } from './hub.ts';
import { COMMIT, hubLocation, parseHubLocation } from './location.ts';
import type { HubOptions } from './settings.ts';
import { verified } from './verified.ts';

export interface ReaderOptions {
  readonly hub?: HubOptions | undefined;
  readonly http?: Omit<HttpSettings, 'signal'> | undefined;
  /** Fetch files whole into the cache before they are read. Default false: ranges are streamed. */
  readonly cache?: boolean | undefined;
}

/** What belongs to a commit. */
export interface HubListing {
  /** In the byte order of their paths. */
  readonly files: readonly CachedFile[];
  /** False where nobody could be asked, and these are the files that happen to be in the cache. */
  readonly complete: boolean;
}

/** Revisions whose commits are remembered. */
const MOST_REVISIONS = 1000;

/**
 * Reads datasets from the Hub or from the cache: what the cache has is never asked for, and where nobody is to be asked
 * (`offline`), it must have everything.
 */
export class HubReader {
  readonly hub: Hub;
  readonly cache: CacheFolder;
  readonly #caching: boolean;
  readonly #commits = new Map<string, Promise<string>>();

  /** @throws PipelineError `BAD_ENDPOINT`, `BAD_TOKEN`, `BAD_OPTION` */
  constructor(options: ReaderOptions = {}) {
    this.hub = new Hub(options.hub, options.http);
    this.cache = new CacheFolder(this.hub.settings.cacheFolder);
    this.#caching = options.cache ?? false;
  }

  close(): Promise<void> {
    return this.hub.close();
  }

  /**
   * The commit that a revision means: asked for once, so that all that is read through this reader belongs together.
   *
   * @throws SourceError as `Hub.commitOf`
   */
  commitOf(repository: string, revision = 'main', signal?: AbortSignal): Promise<string> {
    const key = `${repository}@${revision}`;
    let commit = this.#commits.get(key);
    if (commit === undefined) {
      commit = this.#commitOf(repository, revision, signal);
      commit.catch(() => this.#commits.delete(key));
      this.#commits.set(key, commit);
      for (const oldest of this.#commits.keys()) {
        if (this.#commits.size <= MOST_REVISIONS) break;
        this.#commits.delete(oldest);
      }
    }
    return commit;
  }

  async #commitOf(repository: string, revision: string, signal: AbortSignal | undefined): Promise<string> {
    if (!this.hub.settings.offline) {
      const commit = await this.hub.commitOf(repository, revision, signal);
      if (this.#caching) await this.cache.setCommit(repository, revision, commit);
      return commit;
    }
    const commit = await this.cache.commitOf(repository, revision);
    if (commit !== undefined) return commit;
    const known = await this.cache.revisions(repository);
    const there = known.length === 0 ? 'It has nothing of this dataset.' : didYouMean(revision, known);
    throw this.#missing(`the revision '${revision}' of the dataset '${repository}'`, there);
  }

  /**
   * Files of a commit, all or those below a folder.
   *
   * @throws SourceError as `Hub.files`
   */
  async files(repository: string, commit: string, folder = '', signal?: AbortSignal): Promise<HubListing> {
    const kept = await this.cache.listing(repository, commit);
    const below = ({ path }: CachedFile): boolean => folder === '' || path.startsWith(`${folder}/`);
    if (kept !== undefined) return { files: kept.filter(below), complete: true };
    if (this.hub.settings.offline) {
      const files = await this.cache.present(repository, commit);
      if (files.length > 0) return { files: files.filter(below), complete: false };
      throw this.#missing(`the commit ${commit} of the dataset '${repository}'`);
    }
    const files: CachedFile[] = [];
    // What belongs to a commit is kept whole, for the day when nobody can be asked.
    const asked = this.#caching ? '' : folder;
    for await (const file of this.hub.files(repository, commit, asked, signal)) files.push(file);
    files.sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
    if (!this.#caching) return { files, complete: true };
    await this.cache.setListing(repository, commit, files);
    return { files: files.filter(below), complete: true };
  }

  /**
   * A file of a commit, `'folder'`, or undefined where there is nothing of this name.
   *
   * @throws SourceError as `Hub.look`
   */
  async look(
    repository: string,
    commit: string,
    path: string,
    signal?: AbortSignal,
  ): Promise<CachedFile | 'folder' | undefined> {
    if (!this.hub.settings.offline) return (await this.hub.look(repository, commit, [path], signal)).get(path);
    const { files } = await this.files(repository, commit);
    const file = files.find((one) => one.path === path);
    return file ?? (files.some((one) => one.path.startsWith(`${path}/`)) ? 'folder' : undefined);
  }

  /** Names right below a folder, to guess from. */
  async names(repository: string, commit: string, folder: string): Promise<readonly string[]> {
    if (!this.hub.settings.offline) return this.hub.names(repository, commit, folder);
    return (await this.files(repository, commit, folder)).files.map(({ path }) => path);
  }

  /**
   * A text of at most 16 MiB, whole and verified.
   *
   * @throws SourceError as `Hub.bytes`
   */
  async text(
    repository: string,
    commit: string,
    { path, size, etag }: CachedFile,
    signal?: AbortSignal,
  ): Promise<string> {
    const file = { repository, commit, path, size, etag: etag ?? '' };
    const found = await this.#find({ ...file, etag });
    if (found !== undefined) return readFile(found, 'utf8');
    this.#requireOnline(file);
    if (this.#caching) return readFile(await this.#cached(file, signal), 'utf8');
    const bytes = await this.hub.bytes(repository, commit, path, signal);
    for await (const _ of verified(file, [bytes]));
    return Buffer.from(bytes).toString('utf8');
  }

  /**
   * Opens a file that was listed, `hf://datasets/owner/name@<commit>/path`, with the size and hash that it had: in the cache,
   * or as ranges of what the Hub has.
   *
   * @throws SourceError `INPUT_CHANGED`, `OFFLINE`, `CORRUPT_DOWNLOAD`, and those of refusals and of the network
   */
  async open(file: FoundFile, signal?: AbortSignal): Promise<OpenFile> {
    const { repository, revision, path } = parseHubLocation(file.location);
    const commit =
      revision !== undefined && COMMIT.test(revision) ? revision : await this.commitOf(repository, revision, signal);
    const { size, etag } = file;
    const found = await this.#find({ repository, commit, path, size, etag });
    if (found !== undefined) return openCached(file, found);
    this.#requireOnline({ repository, commit, path });
    const wanted = {
      repository,
      commit,
      path,
      size,
      etag: etag ?? (await this.#etagOf(file, repository, commit, path, signal)),
    };
    if (this.#caching) return openCached(file, await this.#cached(wanted, signal));
    const range = (start: number, end: number): AsyncIterable<Uint8Array> => {
      const bytes = this.hub.range(wanted, start, end, signal);
      return start === 0 && end === size ? verified(wanted, bytes) : bytes;
    };
    return rangeFile(file, range);
  }

  /** The hash of a file that was planned without one, from a cache that has no links. */
  async #etagOf(
    file: FoundFile,
    repository: string,
    commit: string,
    path: string,
    signal: AbortSignal | undefined,
  ): Promise<string> {
    const there = (await this.hub.look(repository, commit, [path], signal)).get(path);
    if (there === undefined || there === 'folder') throw changed(file.uri, 'it is not there any more');
    if (there.size !== file.size) throw changed(file.uri, `${file.size} bytes then, ${there.size} now`);
    return there.etag;
  }

  /** Where a file lies in the cache, whole; undefined where it does not. */
  async #find({
    repository,
    commit,
    path,
    size,
    etag,
  }: Omit<Wanted, 'etag'> & { etag: string | undefined }): Promise<string | undefined> {
    const place = await this.cache.find(repository, commit, path);
    if (place !== undefined && (await stat(place)).size === size) return place;
    // The same bytes may be there for another commit.
    const blob = etag === undefined ? undefined : this.cache.blob(repository, etag);
    return blob !== undefined && (await stat(blob).catch(() => undefined))?.size === size ? blob : undefined;
  }

  #cached(file: Wanted, signal: AbortSignal | undefined): Promise<string> {
    return intoCache(this.cache, file, (start) => this.hub.range(file, start, file.size, signal), signal);
  }

  #requireOnline({ repository, commit, path }: Pick<Wanted, 'repository' | 'commit' | 'path'>): void {
    if (this.hub.settings.offline) throw this.#missing(`'${path}' of the dataset '${repository}' at ${commit}`);
  }

  #missing(what: string, there = ''): SourceError {
    return new SourceError(`the cache does not have ${what}, and the Hub is not to be asked`, {
      code: 'OFFLINE',
      path: this.cache.root,
      hint: `${there} Unset HF_HUB_OFFLINE, or fetch it on a machine that may ask.`.trim(),
    });
  }
}

async function openCached(file: FoundFile, place: string): Promise<OpenFile> {
  const { size, mtimeMs } = await stat(place);
  const local = await openLocal({ location: place, uri: file.uri, size, mtimeMs: Math.floor(mtimeMs) });
  return {
    ...file,
    local: place,
    read: (start, end) => local.read(start, end),
    stream: (start, end) => local.stream(start, end),
    close: () => local.close(),
  };
}

/** The name that plans know a file by. */
export function foundFile(repository: string, commit: string, { path, size, etag }: CachedFile): FoundFile {
  const location = hubLocation({ repository, revision: commit, path });
  return { location, uri: location, size, etag };
}
