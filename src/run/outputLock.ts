import path from 'node:path';
import { OutputError } from '../errors.ts';
import { lockFile } from './fileLock.ts';

/**
 * Keeps two runs out of one output folder. The lock of a process that is gone is taken over, by one process only.
 * @returns a function that gives the folder back
 * @throws OutputError `LOCKED` while another process holds it
 */
export async function lockOutput(root: string): Promise<() => Promise<void>> {
  const file = path.join(root, '.lock');
  const locked = await lockFile(file);
  if ('unlock' in locked) return locked.unlock;
  throw new OutputError(`the output folder is in use by ${locked.holder}`, {
    code: 'LOCKED',
    path: root,
    hint: `wait for it, or remove ${file} if that process is gone`,
  });
}
