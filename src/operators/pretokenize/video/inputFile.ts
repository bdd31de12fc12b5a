import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Shared memory where the system has it: what is written there never reaches a disk. */
const MEMORY = '/dev/shm';

/** Bytes as a file that another program can open and seek in. */
export interface InputFile {
  /** Descriptor that the program inherits as its fourth, number 3. */
  readonly descriptor: number;
  /** Path under which it opens the file. */
  readonly path: string;
  /** Closes and removes the file. */
  remove(): Promise<void>;
}

/**
 * Lays bytes into a file that nobody else may read. Where descriptors have paths it has no name of its own, so that nothing
 * stays behind even of a process that is killed; on Windows it lies in the temporary folder until it is removed.
 */
export async function layInput(bytes: Uint8Array): Promise<InputFile> {
  const folder = (await roomIn(MEMORY)) >= 2 * bytes.length ? MEMORY : tmpdir();
  const path = join(folder, `sluice-${randomBytes(12).toString('hex')}`);
  const file = await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600);
  const named = process.platform === 'win32';
  if (!named) await rm(path);
  const remove = async (): Promise<void> => {
    await file.close();
    if (named) await rm(path, { force: true });
  };
  try {
    await write(file, bytes);
  } catch (error) {
    await remove();
    throw error;
  }
  return { descriptor: file.fd, path: named ? path : '/dev/fd/3', remove };
}

/** Writes at positions: where opening a descriptor's path shares its place in the file, that place is the beginning. */
async function write(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; ) at += (await file.write(bytes, at, bytes.length - at, at)).bytesWritten;
}

async function roomIn(folder: string): Promise<number> {
  try {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  } catch {
    return 0;
  }
}
