import { type FileHandle, open, rename, rm, stat, statfs } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { OutputError, SourceError } from '../../errors.ts';
import { fileChunks } from '../../formats/fileChunks.ts';
import { lockFile } from '../../run/fileLock.ts';
import { asCacheError, type CacheFolder } from './cacheFolder.ts';
import { linkBlob } from './linkBlob.ts';
import { corrupt, hasherOf } from './verified.ts';

/** A file of a commit that is to be in the cache. */
export interface Wanted {
  readonly repository: string;
  readonly commit: string;
  readonly path: string;
  readonly size: number;
  /** SHA-256 in hex of a git-LFS file, else the hash of the git object. */
  readonly etag: string;
}

/** The file's bytes from an offset on, exactly and in order. */
export type BytesFrom = (start: number) => AsyncIterable<Uint8Array>;

const POLL_MS = 50;
/** How long another process may hold a download without a byte of progress. */
const PATIENCE_MS = 600_000;

/**
 * Sees to it that a file of a commit is in the cache, whole and verified by its hash, whoever downloads it: of several
 * processes one does, and the others wait for its bytes. What an earlier one has left is gone on with.
 *
 * @param patienceMs how long another process may show no progress. Default 10 min.
 * @returns where it lies
 * @throws SourceError `UNSAFE_PATH`, `CORRUPT_DOWNLOAD`, `CACHE_LOCKED`, and what `bytes` throws; OutputError where the disk refuses
 */
export async function intoCache(
  cache: CacheFolder,
  file: Wanted,
  bytes: BytesFrom,
  signal?: AbortSignal,
  patienceMs = PATIENCE_MS,
): Promise<string> {
  const { repository, commit, size, etag } = file;
  const place = cache.snapshot(repository, commit, file.path);
  const blob = cache.blob(repository, etag);
  const lock = cache.lock(repository, etag);
  const partial = `${blob}.sluice.incomplete`;
  let seen = -1;
  let since = performance.now();
  try {
    for (;;) {
      signal?.throwIfAborted();
      if ((await sizeOf(place)) === size) return place;
      if ((await sizeOf(blob)) === size) {
        if (await linkBlob(cache, repository, blob, place)) return place;
        continue;
      }
      await cache.make(path.dirname(blob));
      const locked = await lockFile(lock);
      if ('unlock' in locked) {
        try {
          if ((await sizeOf(blob)) !== size) await download(file, partial, blob, bytes);
        } finally {
          await locked.unlock();
        }
        continue;
      }
      const got = (await sizeOf(partial)) ?? 0;
      if (got !== seen) {
        seen = got;
        since = performance.now();
      } else if (performance.now() - since > patienceMs) throw stuck(file, lock, locked.holder);
      await sleep(POLL_MS, undefined, signal === undefined ? {} : { signal });
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw asCacheError(error, cache.root);
  }
}

async function sizeOf(file: string): Promise<number | undefined> {
  const stats = await stat(file).catch(() => undefined);
  return stats?.isFile() === true ? stats.size : undefined;
}

async function download(file: Wanted, partial: string, blob: string, bytes: BytesFrom): Promise<void> {
  for (let fresh = false; ; fresh = true) {
    const digest = await fetched(file, partial, bytes);
    if (digest === file.etag) return rename(partial, blob);
    await rm(partial);
    // What was there before, or a store behind the Hub, may have been at fault.
    if (fresh) throw corrupt(file, digest);
  }
}

/** Completes a download; the hash of all of it. */
async function fetched(file: Wanted, partial: string, bytes: BytesFrom): Promise<string> {
  const handle = await open(partial, 'a+');
  try {
    const hash = hasherOf(file);
    let length = (await handle.stat()).size;
    if (length > file.size) {
      await handle.truncate(0);
      length = 0;
    }
    await requireRoom(path.dirname(partial), file.size - length);
    for await (const chunk of fileChunks(partial, 0, length)) hash.update(chunk);
    if (length < file.size) {
      for await (const chunk of bytes(length)) {
        await append(handle, chunk);
        hash.update(chunk);
      }
    }
    await handle.sync();
    return hash.digest('hex');
  } finally {
    await handle.close();
  }
}

async function append(handle: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let done = 0; done < chunk.length; ) done += (await handle.write(chunk, done)).bytesWritten;
}

async function requireRoom(folder: string, needed: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize >= needed) return;
  throw new OutputError(`a download needs ${needed} bytes, and the disk has room for ${bavail * bsize}`, {
    code: 'ENOSPC',
    path: folder,
    hint: 'Make room and run again, or set HF_HUB_CACHE to a folder on another disk.',
  });
}

function stuck({ path: file, repository }: Wanted, lock: string, holder: string): SourceError {
  return new SourceError(
    `'${file}' of the dataset '${repository}' is being downloaded by ${holder}, which gets no further`,
    {
      code: 'CACHE_LOCKED',
      path: lock,
      hint: `End that process, or remove ${lock} if it is gone.`,
    },
  );
}
