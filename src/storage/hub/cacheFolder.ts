import { randomUUID } from 'node:crypto';
import { readdir, readFile, readlink, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { OutputError, SluiceError } from '../../errors.ts';
import { diskCodes } from '../../run/durable.ts';
import { makeFolder } from '../../run/makeFolder.ts';
import { COMMIT, isRevision, requireRepository, requireSafePath } from './location.ts';

/** A file of a commit as the cache has it. */
export interface CachedFile {
  readonly path: string;
  readonly size: number;
  /** Hash of its bytes; unknown where links are not possible and the file lies in the snapshot itself. */
  readonly etag: string | undefined;
}

const TAG = `Signature: 8a477f597d28d172789f06886806bc55
# This file is a cache directory tag created by sluice: backups leave folders with such a file out.
`;

/**
 * The folder that Python's `huggingface_hub` keeps downloaded files in (the layout is documented with the Hub as "Local Cache"):
 *
 * ```
 * CACHEDIR.TAG
 * .locks/datasets--owner--name/<etag>.sluice.lock
 * datasets--owner--name/
 *   refs/<revision>                  the commit that it meant last, 40 hex digits and nothing else
 *   blobs/<etag>                     bytes, named by their SHA-256 (git-LFS) or as git objects
 *   blobs/<etag>.sluice.incomplete   what is there of a download
 *   snapshots/<commit>/<path>        relative links to blobs, or the files themselves where links are not possible
 *   .sluice/<commit>.json            the listing of a commit, so that it is known offline what belongs to it
 *   .sluice/<random>.tmp             for moments
 * ```
 *
 * Paths that come from elsewhere are checked before they become one of these.
 */
export class CacheFolder {
  readonly root: string;

  /** @param root Absolute; made when something is to be put into it. */
  constructor(root: string) {
    this.root = root;
  }

  blob(repository: string, etag: string): string {
    return path.join(this.repository(repository), 'blobs', requireHash(etag));
  }

  lock(repository: string, etag: string): string {
    return path.join(this.root, '.locks', folderName(repository), `${requireHash(etag)}.sluice.lock`);
  }

  /** @throws SourceError `UNSAFE_PATH` */
  snapshot(repository: string, commit: string, file: string): string {
    return path.join(this.#snapshots(repository), requireCommit(commit), requireSafePath(file));
  }

  repository(repository: string): string {
    return path.join(this.root, folderName(repository));
  }

  /** A file of a commit, where all of it is there. */
  async find(repository: string, commit: string, file: string): Promise<string | undefined> {
    const place = this.snapshot(repository, commit, file);
    const stats = await stat(place).catch(() => undefined);
    return stats?.isFile() === true ? place : undefined;
  }

  /** The commit that a revision last meant; a commit means itself. */
  async commitOf(repository: string, revision: string): Promise<string | undefined> {
    if (COMMIT.test(revision)) return revision;
    const text = await readFile(this.#ref(repository, revision), 'utf8').catch(() => '');
    return COMMIT.test(text.trim()) ? text.trim() : undefined;
  }

  /** Notes what a named revision means. */
  async setCommit(repository: string, revision: string, commit: string): Promise<void> {
    if (COMMIT.test(revision) || (await this.commitOf(repository, revision)) === commit) return;
    await this.#write(repository, this.#ref(repository, revision), requireCommit(commit));
  }

  /** Revisions of which it is noted what they mean. */
  async revisions(repository: string): Promise<readonly string[]> {
    const folder = path.join(this.repository(repository), 'refs');
    const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
    return entries
      .filter((entry) => entry.isFile())
      .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)).replaceAll(path.sep, '/'))
      .sort();
  }

  /** Keeps what belongs to a commit. */
  async setListing(repository: string, commit: string, files: readonly CachedFile[]): Promise<void> {
    await this.#write(repository, this.#listing(repository, commit), JSON.stringify(files));
  }

  /** What belongs to a commit, where that was kept. */
  async listing(repository: string, commit: string): Promise<readonly CachedFile[] | undefined> {
    try {
      // What `setListing` wrote; a disk that lost its power may have none of it.
      return JSON.parse(await readFile(this.#listing(repository, commit), 'utf8')) as CachedFile[];
    } catch {
      return undefined;
    }
  }

  /** Files of a commit that are there, in the byte order of their paths. */
  async present(repository: string, commit: string): Promise<readonly CachedFile[]> {
    const folder = path.join(this.#snapshots(repository), requireCommit(commit));
    const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
    const files: CachedFile[] = [];
    for (const entry of entries.filter((one) => !one.isDirectory())) {
      const place = path.join(entry.parentPath, entry.name);
      const stats = await stat(place).catch(() => undefined);
      if (stats?.isFile() !== true) continue;
      const link = entry.isSymbolicLink() ? path.basename(await readlink(place)) : undefined;
      files.push({ path: path.relative(folder, place).replaceAll(path.sep, '/'), size: stats.size, etag: link });
    }
    return files.sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
  }

  /** Makes a folder within the cache, and marks the cache as one. */
  async make(folder: string): Promise<void> {
    await makeFolder(folder);
    await writeFile(path.join(this.root, 'CACHEDIR.TAG'), TAG, { flag: 'wx' }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }

  /** A name for a file of this dataset that is not there yet. Its folder is made. */
  async temporary(repository: string): Promise<string> {
    const folder = path.join(this.repository(repository), '.sluice');
    await this.make(folder);
    return path.join(folder, `${randomUUID()}.tmp`);
  }

  async #write(repository: string, file: string, content: string): Promise<void> {
    try {
      const temporary = await this.temporary(repository);
      try {
        await makeFolder(path.dirname(file));
        await writeFile(temporary, content);
        await rename(temporary, file);
      } finally {
        await rm(temporary, { force: true });
      }
    } catch (error) {
      throw asCacheError(error, this.root);
    }
  }

  #snapshots(repository: string): string {
    return path.join(this.repository(repository), 'snapshots');
  }

  #ref(repository: string, revision: string): string {
    if (!isRevision(revision)) throw new TypeError(`'${revision}' is no revision`);
    return path.join(this.repository(repository), 'refs', ...revision.split('/'));
  }

  #listing(repository: string, commit: string): string {
    return path.join(this.repository(repository), '.sluice', `${requireCommit(commit)}.json`);
  }
}

/** `datasets--owner--name` */
const folderName = (repository: string): string => `datasets--${requireRepository(repository).replaceAll('/', '--')}`;

function requireHash(etag: string): string {
  if (/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(etag)) return etag;
  throw new TypeError(`'${etag}' is no hash of a file`);
}

function requireCommit(commit: string): string {
  if (COMMIT.test(commit)) return commit;
  throw new TypeError(`'${commit}' is no commit`);
}

/** An error of the disk under the cache, told as such; anything else stays what it is. */
export function asCacheError(error: unknown, root: string): unknown {
  const code = (error as { code?: unknown } | null)?.code;
  if (error instanceof SluiceError || typeof code !== 'string' || !diskCodes.has(code)) return error;
  return new OutputError(`the cache of the Hub cannot be written: ${(error as Error).message}`, {
    code,
    path: root,
    hint: 'Make room or mend the permission and run again, or set HF_HUB_CACHE to another folder.',
    cause: error,
  });
}
