import { createHash } from 'node:crypto';
import { open, rename, stat, statfs } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { OutputError } from '../errors.ts';
import { lockFile } from '../run/fileLock.ts';
import { type OpenFile, openLocal } from '../sources/open-file.ts';
import type { FoundFile } from '../sources/walk.ts';

const POLL_MS = 50;

/**
 * Fetches a remote file whole before it is read: `<folder>/<sha256 of address and version>`. Of several processes one fetches
 * and the others wait; what is broken off is gone on with. Its bytes are those that the store sent under one version and size:
 * where it tells no hash, there is nothing more to compare.
 *
 * @throws OutputError `ENOSPC`; what `remote` throws
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
  try {
    while (!(await isThere(place, size))) {
      signal?.throwIfAborted();
      const locked = await lockFile(`${place}.lock`);
      if (!('unlock' in locked)) {
        await sleep(POLL_MS, undefined, signal === undefined ? {} : { signal });
        continue;
      }
      try {
        if (!(await isThere(place, size))) await fetchInto(place, remote);
      } finally {
        await locked.unlock();
      }
    }
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

async function isThere(place: string, size: number): Promise<boolean> {
  return (await stat(place).catch(() => undefined))?.size === size;
}

async function fetchInto(place: string, remote: OpenFile): Promise<void> {
  const partial = `${place}.incomplete`;
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
