import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open, statfs } from 'node:fs/promises';
import { join } from 'node:path';

/** Shared memory where the system has it: what is written there is copied, and never reaches a disk. */
export const MEMORY = '/dev/shm';

/** Bytes that a folder's file system has room for; 0 where there is no such folder. */
export async function roomIn(folder: string): Promise<number> {
  try {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  } catch {
    return 0;
  }
}

/** Makes a file that nobody else may read, and that nobody has made before. */
export async function openPrivate(folder: string): Promise<{ readonly file: FileHandle; readonly path: string }> {
  const path = join(folder, `sluice-${randomBytes(12).toString('hex')}`);
  return { file: await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600), path };
}
