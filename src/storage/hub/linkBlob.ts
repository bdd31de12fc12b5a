import { copyFile, link, readlink, rename, rm, symlink } from 'node:fs/promises';
import path from 'node:path';
import { makeFolder } from '../../run/makeFolder.ts';
import type { CacheFolder } from './cacheFolder.ts';

/**
 * Gives a blob its name in a snapshot: a relative link; where the file system has none, a second name of the same file,
 * and where it has not even that, a copy in the blob's stead.
 *
 * @returns false where the blob has gone meanwhile
 */
export async function linkBlob(cache: CacheFolder, repository: string, blob: string, place: string): Promise<boolean> {
  await makeFolder(path.dirname(place));
  const target = path.relative(path.dirname(place), blob);
  if ((await readlink(place).catch(() => undefined)) === target) return true;
  const temporary = await cache.temporary(repository);
  try {
    const copied = await made(blob, target, temporary);
    await rename(temporary, place);
    if (copied) await rm(blob, { force: true });
    return true;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false;
    throw error;
  } finally {
    await rm(temporary, { force: true });
  }
}

/** Makes the new name; true where it is a copy. */
async function made(blob: string, target: string, name: string): Promise<boolean> {
  try {
    await symlink(target, name);
    return false;
  } catch (error) {
    if (!NO_LINKS.has(codeOf(error) ?? '')) throw error;
  }
  try {
    await link(blob, name);
    return false;
  } catch (error) {
    if (!NO_LINKS.has(codeOf(error) ?? '')) throw error;
  }
  await copyFile(blob, name);
  return true;
}

/** What systems say of links that they do not have, or do not let this user make. */
const NO_LINKS: ReadonlySet<string> = new Set([
  'EPERM',
  'EACCES',
  'ENOSYS',
  'ENOTSUP',
  'EOPNOTSUPP',
  'EINVAL',
  'UNKNOWN',
]);

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;
