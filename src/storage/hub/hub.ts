import { datasetInfo, type ListFileEntry, listFiles } from '@huggingface/hub';
import { PipelineError, SourceError } from '../../errors.ts';
import { didYouMean } from '../../suggest.ts';
import { refusedAddress } from '../http/addresses.ts';
import { HttpClient } from '../http/client.ts';
import type { HttpSettings } from '../http/settings.ts';
import { HubRefusal, hubFetch } from './hubFetch.ts';
import { COMMIT, hubLocation, isRevision, requireRepository, requireSafePath } from './location.ts';
import { type Asked, refused } from './refusals.ts';
import { type HubOptions, type HubSettings, hubSettings } from './settings.ts';

/** A file of a dataset at a commit. */
export interface HubFile {
  /** Relative to the dataset, with `/`. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** SHA-256 of the bytes where git-LFS holds them, else their hash as a git object (SHA-1); in hex. */
  readonly etag: string;
}

/** Files of one listing at most: what a plan can hold. */
const MOST_FILES = 1_000_000;
/** Names that a wrong one is compared with. */
const MOST_NAMES = 10_000;
/** Paths in one question. */
const BATCH = 500;

const REFUSALS: ReadonlySet<string> = new Set(['NOT_AUTHORISED', 'FORBIDDEN', 'NOT_FOUND']);

/**
 * The Hub's API for reading datasets: revisions, listings, addresses of files. Answers are checked, and refusals become
 * errors that say what to do.
 *
 * ```ts
 * const hub = new Hub();
 * const commit = await hub.commitOf('HuggingFaceFW/fineweb-edu');
 * for await (const file of hub.files('HuggingFaceFW/fineweb-edu', commit, 'sample/10BT')) console.log(file.path, file.size);
 * await hub.close();
 * ```
 */
export class Hub {
  readonly settings: HubSettings;
  readonly http: HttpClient;
  /** What `http` was made with. */
  readonly httpSettings: HttpSettings;
  readonly #fetch: typeof fetch;

  /** @throws PipelineError `BAD_ENDPOINT`, `BAD_TOKEN`, `BAD_OPTION` */
  constructor(options: HubOptions = {}, http: HttpSettings = {}) {
    this.settings = hubSettings(options);
    const { endpoint, headers } = this.settings;
    const { origin, hostname } = new URL(endpoint);
    // A Hub within a private network keeps its files there, too.
    const isPrivate = refusedAddress(hostname) !== undefined || hostname === 'localhost';
    this.httpSettings = {
      ...http,
      allowPrivate: http.allowPrivate ?? isPrivate,
      endpoints: [origin, ...(http.endpoints ?? [])],
      headers,
    };
    this.http = new HttpClient(this.httpSettings);
    this.#fetch = hubFetch(this.http);
  }

  close(): Promise<void> {
    return this.http.close();
  }

  /**
   * The commit that a revision means now: a branch, a tag, or a commit itself.
   *
   * @throws SourceError `NOT_AUTHORISED`, `FORBIDDEN`, `NOT_FOUND`, `OFFLINE`, and those of the HTTP client
   */
  async commitOf(repository: string, revision = 'main', signal?: AbortSignal): Promise<string> {
    requireRepository(repository);
    if (!isRevision(revision)) {
      throw new PipelineError(`'${revision}' is no name of a branch, a tag or a commit`, { code: 'BAD_REVISION' });
    }
    const asked = { repository, revision };
    const { sha } = await this.#call(asked, () =>
      datasetInfo({
        name: repository,
        revision,
        additionalFields: ['sha'],
        hubUrl: this.settings.endpoint,
        fetch: (url, options) => this.#fetch(url, { ...options, ...init(signal) }),
      }),
    );
    if (typeof sha === 'string' && COMMIT.test(sha)) return sha;
    throw this.#badAnswer(asked, 'no commit');
  }

  /**
   * Files of a revision in the order of the Hub, all or those below a folder.
   *
   * @throws SourceError as {@link commitOf}, and `TOO_MANY_FILES`
   */
  async *files(repository: string, revision: string, folder = '', signal?: AbortSignal): AsyncGenerator<HubFile> {
    const asked = { repository, revision, path: folder === '' ? undefined : folder };
    let count = 0;
    for await (const entry of this.#entries(asked, true, signal)) {
      const file = this.#fileOf(entry, asked);
      if (file === undefined) continue;
      if (++count > MOST_FILES) throw tooManyFiles(repository);
      yield file;
    }
  }

  /**
   * What paths are, in any order: files, folders, or left out where there is nothing.
   *
   * @throws SourceError as {@link commitOf}
   */
  async look(
    repository: string,
    revision: string,
    paths: readonly string[],
    signal?: AbortSignal,
  ): Promise<ReadonlyMap<string, HubFile | 'folder'>> {
    const asked = { repository, revision };
    const found = new Map<string, HubFile | 'folder'>();
    const url = `${this.#api(requireRepository(repository))}/paths-info/${encodeURIComponent(revision)}`;
    for (let start = 0; start < paths.length; start += BATCH) {
      const body = JSON.stringify({ paths: paths.slice(start, start + BATCH), expand: false });
      const headers = { 'content-type': 'application/json' };
      const infos = await this.#call(asked, async (): Promise<unknown> => {
        return (await this.#fetch(url, { method: 'POST', headers, body, ...init(signal) })).json();
      });
      if (!Array.isArray(infos)) throw this.#badAnswer(asked, 'no list');
      for (const info of infos) {
        const { path } = membersOf(info);
        if (typeof path === 'string') found.set(path, this.#fileOf(info, asked) ?? 'folder');
      }
    }
    return found;
  }

  /** Names right below a folder, for guesses; at most 10,000, and none where there is no such folder. */
  async names(repository: string, revision: string, folder: string): Promise<readonly string[]> {
    const names: string[] = [];
    try {
      for await (const entry of this.#entries({ repository, revision, path: folder || undefined }, false)) {
        if (names.push(entry.path) >= MOST_NAMES) break;
      }
    } catch {
      // There is nothing to guess from.
    }
    return names;
  }

  async *#entries(asked: Asked, recursive: boolean, signal?: AbortSignal): AsyncGenerator<ListFileEntry> {
    const { repository, revision = 'main', path } = asked;
    const entries = listFiles({
      repo: { type: 'dataset', name: requireRepository(repository) },
      revision: encodeURIComponent(revision),
      ...(path === undefined ? {} : { path: coded(path) }),
      recursive,
      hubUrl: this.settings.endpoint,
      fetch: (url, options) => this.#fetch(url, { ...options, ...init(signal) }),
    });
    for (;;) {
      const next = await this.#call(asked, () => entries.next());
      if (next.done === true) return;
      yield next.value;
    }
  }

  /** Names of the dataset's branches and tags; none where the Hub does not tell. */
  async revisions(repository: string): Promise<readonly string[]> {
    try {
      const refs = membersOf(await (await this.#fetch(`${this.#api(repository)}/refs`)).json());
      const all = ['branches', 'tags', 'converts'].flatMap((kind) => (Array.isArray(refs[kind]) ? refs[kind] : []));
      return all.flatMap((entry) => {
        const { ref, name } = membersOf(entry);
        const text = typeof ref === 'string' && ref.startsWith('refs/convert/') ? ref : name;
        return typeof text === 'string' ? [text] : [];
      });
    } catch {
      return [];
    }
  }

  /** Address of a file's bytes. */
  fileUrl(repository: string, commit: string, path: string): string {
    return `${this.settings.endpoint}/datasets/${requireRepository(repository)}/resolve/${encodeURIComponent(commit)}/${coded(path)}`;
  }

  /**
   * A file of at most 16 MiB, whole.
   *
   * @throws SourceError as {@link commitOf}, and `TOO_LARGE`
   */
  async bytes(repository: string, commit: string, path: string, signal?: AbortSignal): Promise<Uint8Array> {
    const { body } = await this.#call({ repository, revision: commit, path }, async () => {
      const url = this.fileUrl(repository, commit, path);
      const reply = await this.http.request(url, { anyStatus: true, signal });
      if (reply.status >= 400) throw new HubRefusal(reply.status, reply.headers, reply.body);
      return reply;
    });
    return body;
  }

  /**
   * The bytes `[start, end)` of a file, exactly and in order; chunks may share a buffer.
   *
   * @throws SourceError as {@link commitOf}, and `INPUT_CHANGED` where the file is not the one that was listed
   */
  async *range(
    { repository, commit, path, size, etag }: HubFile & { readonly repository: string; readonly commit: string },
    start: number,
    end: number,
    signal?: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    const url = this.fileUrl(repository, commit, path);
    try {
      yield* this.http.range({ url, size, etag: `"${etag}"` }, start, end, { signal });
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      if (REFUSALS.has(error.code)) {
        // Why it is refused stands in headers, which an error does not hold.
        await this.#call({ repository, revision: commit, path }, async () => {
          const { status, headers } = await this.http.request(url, { method: 'HEAD', anyStatus: true, signal });
          if (status >= 400) throw new HubRefusal(status, headers);
        });
      }
      // The address may be one of a store behind the Hub, which says nothing to anyone.
      const { code, hint, message } = error;
      throw new SourceError(`'${path}' of the dataset '${repository}': ${message}`, {
        code,
        path: hubLocation({ repository, revision: commit, path }),
        hint,
        cause: error,
      });
    }
  }

  /** Makes errors of what the Hub refuses. */
  async #call<T>(asked: Asked, work: () => Promise<T>): Promise<T> {
    if (this.settings.offline) {
      throw new SourceError(`the dataset '${asked.repository}' is not in the cache, and the Hub is not to be asked`, {
        code: 'OFFLINE',
        path: this.settings.cacheFolder,
        hint: 'Unset HF_HUB_OFFLINE, or fetch it on a machine that may ask.',
      });
    }
    try {
      return await work();
    } catch (error) {
      if (error instanceof SyntaxError || error instanceof TypeError)
        throw this.#badAnswer(asked, 'no JSON of its kind', error);
      if (!(error instanceof HubRefusal)) throw error;
      const near =
        error.kind === 'RevisionNotFound'
          ? didYouMean(asked.revision ?? 'main', await this.revisions(asked.repository))
          : undefined;
      throw refused(error, this.settings, asked, near);
    }
  }

  #api(repository: string): string {
    return `${this.settings.endpoint}/api/datasets/${repository}`;
  }

  #fileOf(entry: unknown, asked: Asked): HubFile | undefined {
    const { type, path, size, oid, lfs } = membersOf(entry);
    if (type !== 'file') return undefined;
    const large = lfs === undefined || lfs === null ? undefined : membersOf(lfs);
    const etag = large === undefined ? oid : large['oid'];
    const bytes = large === undefined ? size : large['size'];
    const isHash = typeof etag === 'string' && (large === undefined ? COMMIT : /^[0-9a-f]{64}$/).test(etag);
    if (typeof path !== 'string' || path === '' || !isHash || typeof bytes !== 'number' || !isSize(bytes)) {
      throw this.#badAnswer(asked, 'a file without path, size or hash');
    }
    return { path, size: bytes, etag };
  }

  #badAnswer({ repository }: Asked, what: string, cause?: unknown): SourceError {
    return new SourceError(`the Hub's answer about the dataset '${repository}' makes no sense: it holds ${what}`, {
      code: 'BAD_ANSWER',
      path: repository,
      hint: `Check that HF_ENDPOINT (${this.settings.endpoint}) is a Hub.`,
      cause,
    });
  }
}

/** Members of what a server sent, whatever it is. */
function membersOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {};
}

const isSize = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;

const init = (signal: AbortSignal | undefined): RequestInit => (signal === undefined ? {} : { signal });

const coded = (path: string): string => requireSafePath(path, 'linux').split('/').map(encodeURIComponent).join('/');

function tooManyFiles(repository: string): SourceError {
  return new SourceError(`the dataset '${repository}' has more than ${MOST_FILES} files in one listing`, {
    code: 'TOO_MANY_FILES',
    path: repository,
    hint: 'Name a folder of it.',
  });
}
