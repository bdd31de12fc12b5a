import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { writeAt } from '../../../decoders/exchangeFiles.ts';
import { MEMORY, openPrivate, roomIn } from '../../../decoders/privateFile.ts';

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
  const { file, path } = await openPrivate(folder);
  const named = process.platform === 'win32';
  if (!named) await rm(path);
  const remove = async (): Promise<void> => {
    await file.close();
    if (named) await rm(path, { force: true });
  };
  try {
    // at positions: where opening a descriptor's path shares its place in the file, that place is the beginning
    await writeAt(file, bytes, 0);
  } catch (error) {
    await remove();
    throw error;
  }
  return { descriptor: file.fd, path: named ? path : '/dev/fd/3', remove };
}
