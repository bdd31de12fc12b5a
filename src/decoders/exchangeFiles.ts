import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Shared memory where the system has it: what is written there is copied, and never reaches a disk. */
const MEMORY = '/dev/shm';

export interface ExchangeFiles {
  readonly tasks: FileHandle;
  readonly results: FileHandle;
}

/**
 * Two files without a name, through which bytes go to a decoder process and back: a copy on either side, where a pipe takes
 * many small ones. They vanish with the last process that has them open.
 *
 * @param bytes what both together may come to hold
 */
export async function openExchange(bytes: number): Promise<ExchangeFiles> {
  const folder = (await roomIn(MEMORY)) >= 2 * bytes ? MEMORY : tmpdir();
  const tasks = await openNameless(folder);
  try {
    return { tasks, results: await openNameless(folder) };
  } catch (error) {
    await tasks.close();
    throw error;
  }
}

async function roomIn(folder: string): Promise<number> {
  try {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  } catch {
    return 0;
  }
}

async function openNameless(folder: string): Promise<FileHandle> {
  const path = join(folder, `sluice-${randomBytes(12).toString('hex')}`);
  const file = await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600);
  await rm(path);
  return file;
}

/** Reads `bytes` bytes from `at` on into memory of their own. */
export async function readAt(file: FileHandle, at: number, bytes: number): Promise<Uint8Array<ArrayBuffer>> {
  const into = new Uint8Array(bytes);
  for (let done = 0; done < bytes; ) {
    const { bytesRead } = await file.read(into, done, bytes - done, at + done);
    if (bytesRead === 0) throw new Error('the exchange file ends early');
    done += bytesRead;
  }
  return into;
}

export async function writeAt(file: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await file.write(bytes, done, bytes.length - done, at + done)).bytesWritten;
  }
}
