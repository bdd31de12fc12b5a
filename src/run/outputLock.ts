import { readFileSync } from 'node:fs';
import { mkdir, open, readFile, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import path from 'node:path';
import { OutputError } from '../errors.ts';

interface Owner {
  readonly host: string;
  readonly pid: number;
  /** When the process began, where the system tells: a process number alone may have been used again. */
  readonly started: string;
}

/** Start time of a process in clock ticks since boot, from procfs; empty where there is none. */
function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}

function alive(owner: Owner): boolean {
  if (owner.host !== hostname()) return true;
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  return owner.started === startOf(owner.pid);
}

/**
 * Keeps two runs out of one output folder. The lock of a process that is gone is taken over.
 * @returns a function that gives the folder back
 * @throws OutputError `LOCKED` while another process holds it
 */
export async function lockOutput(root: string): Promise<() => Promise<void>> {
  const file = path.join(root, '.lock');
  await mkdir(root, { recursive: true });
  const self: Owner = { host: hostname(), pid: process.pid, started: startOf(process.pid) };
  for (let tries = 0; ; tries++) {
    try {
      const handle = await open(file, 'wx');
      await handle.writeFile(JSON.stringify(self));
      await handle.close();
      return () => rm(file, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const text = await readFile(file, 'utf8').catch(() => '');
    const owner = parse(text);
    if (tries === 3 || (owner !== undefined && alive(owner))) {
      const who = owner === undefined ? 'an unknown process' : `process ${owner.pid} on ${owner.host}`;
      throw new OutputError(`the output folder is in use by ${who}`, {
        code: 'LOCKED',
        path: root,
        hint: `wait for it, or remove ${path.join(root, '.lock')} if that process is gone`,
      });
    }
    await rm(file, { force: true });
  }
}

function parse(text: string): Owner | undefined {
  try {
    return JSON.parse(text) as Owner;
  } catch {
    return undefined;
  }
}
