import { type FileHandle, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { MEMORY, openPrivate, roomIn } from './privateFile.ts';
import { MOST_AT_ONCE, RESULTS_AT } from './protocol.ts';

/** Bytes above which a file gives back what it took once its record is done. */
const KEPT = 16 << 20;

/** Two files without a name, through which bytes go to a decoder process and back. */
export interface ExchangeFiles {
  readonly tasks: FileHandle;
  readonly results: FileHandle;
}

/**
 * Opens the files: a copy on either side, where a pipe takes many small ones. They vanish with the last process that has
 * them open.
 *
 * @param bytes what both together may come to hold
 * @param memory folder that lies in memory; the one for temporary files is taken where it is missing, or has not twice the room
 */
export async function openExchange(bytes: number, memory = MEMORY): Promise<ExchangeFiles> {
  if ((await roomIn(memory)) >= 2 * bytes) {
    try {
      return await openIn(memory);
    } catch {
      // it may not be writable
    }
  }
  return openIn(tmpdir());
}

async function openIn(folder: string): Promise<ExchangeFiles> {
  const tasks = await openNameless(folder);
  try {
    const results = await openNameless(folder);
    // a watch that ends its process says why here, however full the disk is then
    await results.write(new Uint8Array(RESULTS_AT), 0, RESULTS_AT, 0);
    return { tasks, results };
  } catch (error) {
    await tasks.close();
    throw error;
  }
}

async function openNameless(folder: string): Promise<FileHandle> {
  const { file, path } = await openPrivate(folder);
  try {
    await rm(path);
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Reads `bytes` bytes from `at` on into memory of their own. */
export async function readAt(file: FileHandle, at: number, bytes: number): Promise<Uint8Array<ArrayBuffer>> {
  const into = new Uint8Array(Buffer.allocUnsafeSlow(bytes).buffer);
  for (let done = 0; done < bytes; ) {
    const { bytesRead } = await file.read(into, done, Math.min(MOST_AT_ONCE, bytes - done), at + done);
    if (bytesRead === 0) throw new Error('the exchange file ends early');
    done += bytesRead;
  }
  return into;
}

export async function writeAt(file: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, Math.min(MOST_AT_ONCE, bytes.length - done), at + done);
    done += bytesWritten;
  }
}

/** Gives back the memory, or disk, that a large record took; `bytes` is how far the file was written. */
export async function giveBack(file: FileHandle, bytes: number): Promise<void> {
  if (bytes > KEPT) await file.truncate(RESULTS_AT);
}
