import { mkdir, stat } from 'node:fs/promises';
import path from 'node:path';

/**
 * Makes a folder and those it lies in, and leaves one that is there. Unlike `mkdir` of Node with `recursive`, which never
 * ends there, it fails where a folder cannot have others in it, such as `/proc`.
 * @returns the outermost folder that was made, absolute; `undefined` where there was nothing to make
 * @throws what the system says
 */
export async function makeFolder(folder: string): Promise<string | undefined> {
  const place = path.resolve(folder);
  let outermost: string | undefined;
  try {
    if (await madeOne(place)) return place;
    return undefined;
  } catch (error) {
    const parent = path.dirname(place);
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || parent === place) throw error;
    outermost = await makeFolder(parent);
  }
  const made = await madeOne(place);
  return outermost ?? (made ? place : undefined);
}

/** False where the folder is there; also where the system forbids to make it. */
async function madeOne(place: string): Promise<boolean> {
  try {
    await mkdir(place);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw error;
    const there = await stat(place).catch(() => undefined);
    if (there?.isDirectory() === true) return false;
    throw error;
  }
}
