import { createHash } from 'node:crypto';
import { open, rename, rm, stat, statfs } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { OutputError, SluiceError } from '../errors.ts';
import { diskCodes } from '../run/durable.ts';
import { lockFile } from '../run/fileLock.ts';
import { type OpenFile, openLocal } from '../sources/open-file.ts';
import type { FoundFile } from '../sources/walk.ts';

const POLL_MS = 50;

/**
 * Fetches a remote file whole before it is read: `<folder>/<sha256 of address and version>`. Of several processes one fetches
 * and the others wait; what is broken off is gone on with. Its bytes are those that the store sent under one version and size:
 * where it tells no hash, there is nothing more to compare. Where it tells no version either, what earlier processes have
 * left is of no use, and each fetches the file for itself.
 *
 * @throws OutputError where the disk refuses; what `remote` throws
 */
export async function wholeFile(
  file: FoundFile,
  remote: OpenFile,
  folder: string,
  signal?: AbortSignal,
): Promise<OpenFile> {
  const { location, size, etag, mtimeMs } = file;
  const key = createHash('sha256')
    .update(JSON.stringify([location, size, etag ?? mtimeMs ?? null]))
    .digest('hex');
  const place = path.join(folder, key);
  const since = etag === undefined && mtimeMs === undefined ? performance.timeOrigin : 0;
  try {
    while (!(await isThere(place, size, since))) {
      signal?.throwIfAborted();
      const locked = await lockFile(`${place}.lock`);
      if (!('unlock' in locked)) {
        await sleep(POLL_MS, undefined, signal === undefined ? {} : { signal });
        continue;
      }
      try {
        if (!(await isThere(place, size, since))) await fetchInto(place, remote, since === 0);
      } finally {
        await locked.unlock();
      }
    }
  } catch (error) {
    throw asCacheError(error, folder);
  } finally {
    await remote.close();
  }
  const stats = await stat(place);
  const local = await openLocal({ location: place, uri: file.uri, size, mtimeMs: Math.floor(stats.mtimeMs) });
  return {
    ...file,
    local: place,
    read: (start, end) => local.read(start, end),
    stream: (start, end) => local.stream(start, end),
    close: () => local.close(),
  };
}

async function isThere(place: string, size: number, since: number): Promise<boolean> {
  const stats = await stat(place).catch(() => undefined);
  return stats?.size === size && stats.mtimeMs >= since;
}

async function fetchInto(place: string, remote: OpenFile, goOn: boolean): Promise<void> {
  const partial = `${place}.incomplete`;
  if (!goOn) await rm(partial, { force: true });
  const handle = await open(partial, 'a');
  try {
    let at = (await handle.stat()).size;
    if (at > remote.size) {
      await handle.truncate(0);
      at = 0;
    }
    const { bavail, bsize } = await statfs(path.dirname(place));
    if (bavail * bsize < remote.size - at) {
      throw new OutputError(
        `'${remote.uri}' needs ${remote.size - at} bytes, and the disk has room for ${bavail * bsize}`,
        {
          code: 'ENOSPC',
          path: path.dirname(place),
          hint: 'Make room and run again, or set SLUICE_CACHE to a folder on another disk.',
        },
      );
    }
    for await (const chunk of remote.stream(at, remote.size)) await handle.appendFile(chunk);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(partial, place);
}

/** An error of the disk under the cache, told as such; anything else stays what it is. */
function asCacheError(error: unknown, folder: string): unknown {
  const code = (error as { code?: unknown } | null)?.code;
  if (error instanceof SluiceError || typeof code !== 'string' || !diskCodes.has(code)) return error;
  return new OutputError(`the cache of files cannot be written: ${(error as Error).message}`, {
    code,
    path: folder,
    hint: 'Make room or mend the permission and run again, or set SLUICE_CACHE to another folder.',
    cause: error,
  });
}
