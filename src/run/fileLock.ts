import { createHash, randomUUID } from 'node:crypto';
import { link, readFile, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeFolder } from './makeFolder.ts';
import { processState } from './processState.ts';

interface Owner {
  readonly host: string;
  readonly pid: number;
  /** When the process began, where the system tells: a process number alone may have been used again. */
  readonly started: string;
}

const PAUSE_MS = 10;
/** Where files cannot be linked, a lock without a readable owner may be one that is being written. */
const UNREADABLE_PAUSES = 20;
const MOST_PAUSES = 500;

function alive(owner: Owner): boolean {
  if (owner.host !== hostname()) return true;
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
  const state = processState(owner.pid);
  return owner.started === (state?.started ?? '') && state?.over !== true;
}

/** A lock that was got, or who has it. */
export type Locked = { readonly unlock: () => Promise<void> } | { readonly holder: string };

/**
 * Tries for a lock: a file that one process at a time can own. That of a process that is gone is taken over, by one
 * process only. While others try for it, `<file>.takeover` may be seen beside it.
 *
 * @param file its folder is made where there is none
 */
export async function lockFile(file: string): Promise<Locked> {
  const record = JSON.stringify({
    host: hostname(),
    pid: process.pid,
    started: processState(process.pid)?.started ?? '',
    token: randomUUID(),
  });
  /** Folder of what getting the lock needs besides the lock: it lies there only for moments. */
  const work = `${file}.takeover`;
  await makeFolder(path.dirname(file));
  const holder = await take(file, record, work);
  if (holder !== undefined) {
    await rmdir(work).catch(() => {});
    return { holder };
  }
  // Whatever lies there is of processes that have come too late or are gone: with the lock it has lost its meaning.
  await rm(work, { recursive: true, force: true }).catch(() => {});
  return { unlock: () => giveBack(file, record) };
}

/**
 * Gets a lock file for the owner record `record`.
 *
 * A stale lock is never removed, which would let a second process remove the first one's new lock: it is replaced, and
 * only under a lock on just that, whose name comes from the stale content. Owner records hold a random token, so whoever
 * gets that second lock and still finds the stale content is the only one to replace it. The second lock is of the same
 * kind, so that one whose process has gone is taken over too.
 * @returns who holds it, or `undefined` once it is got
 */
async function take(file: string, record: string, work: string): Promise<string | undefined> {
  let holder = 'an unknown process';
  for (let pauses = 0; pauses < MOST_PAUSES; pauses++) {
    const text = await textOf(file);
    if (text === undefined) {
      if (await create(file, record, work)) return undefined;
      continue;
    }
    const owner = ownerFrom(text);
    if (owner !== undefined && alive(owner)) return `process ${owner.pid} on ${owner.host}`;
    if (owner !== undefined || pauses >= UNREADABLE_PAUSES) {
      const name = createHash('sha256')
        .update(`${path.basename(file)}\n${text}`)
        .digest('hex')
        .slice(0, 32);
      const right = path.join(work, name);
      const other = await take(right, record, work);
      if (other === undefined) {
        try {
          if ((await textOf(file)) === text && (await replace(file, record, work))) return undefined;
        } finally {
          await giveBack(right, record);
        }
      } else holder = other;
    }
    await sleep(PAUSE_MS);
  }
  return holder;
}

/** Makes a file that has its content from the beginning; false where the file exists. */
function create(file: string, content: string, work: string): Promise<boolean> {
  return written(content, work, async (temporary) => {
    try {
      await link(temporary, file);
    } catch (error) {
      // File systems such as exFAT have no links.
      if (!['EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP'].includes(codeOf(error) ?? '')) throw error;
      await writeFile(file, content, { flag: 'wx' });
    }
  });
}

function replace(file: string, content: string, work: string): Promise<boolean> {
  return written(content, work, (temporary) => rename(temporary, file));
}

/** Passes a temporary file on; false where another process was first, or has cleared the work folder meanwhile. */
async function written(content: string, work: string, use: (temporary: string) => Promise<void>): Promise<boolean> {
  const temporary = path.join(work, randomUUID());
  try {
    await makeFolder(work);
    await writeFile(temporary, content, { flag: 'wx' });
    await use(temporary);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST' || codeOf(error) === 'ENOENT') return false;
    throw error;
  } finally {
    await rm(temporary, { force: true });
  }
}

async function giveBack(file: string, record: string): Promise<void> {
  if ((await textOf(file)) === record) await rm(file, { force: true });
}

async function textOf(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function ownerFrom(text: string): Owner | undefined {
  try {
    const { host, pid, started } = JSON.parse(text) as Partial<Owner>;
    const known = typeof host === 'string' && Number.isInteger(pid) && typeof started === 'string';
    return known && pid !== undefined ? { host, pid, started } : undefined;
  } catch {
    return undefined;
  }
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}
