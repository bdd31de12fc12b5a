import { createHash, randomUUID } from 'node:crypto';
import { open, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { OutputError, SluiceError, SourceError } from '../../errors.ts';
import { diskCodes } from '../../run/durable.ts';
import { lockFile } from '../../run/fileLock.ts';
import { makeFolder } from '../../run/makeFolder.ts';
import type { OpenFile } from '../../sources/open-file.ts';
import { buildIndex } from './buildIndex.ts';
import { IndexFile } from './indexFile.ts';
import { IndexWriter } from './indexWriter.ts';
import type { ArchiveKind } from './layout.ts';
import { PackWriter } from './pack.ts';

/** Part of every key: another layout of the files, or other rules of what is written, need another one. */
const VERSION = 1;
const POLL_MS = 50;
/** How often whoever builds shows that it is at it, and how long others wait for such a sign. */
const BEAT_MS = 5_000;
const PATIENCE_MS = 120_000;

const INDEX = 'index';
const LOCK = 'lock';

export interface IndexRules {
  /** Folder of all indexes. */
  readonly root: string;
  readonly maxExpansion: number;
  readonly maxPackBytes: number;
  readonly signal?: AbortSignal | undefined;
}

interface Work extends IndexRules {
  readonly file: OpenFile;
  readonly kind: ArchiveKind;
  readonly key: string;
  /** Of this index alone. */
  readonly folder: string;
}

export interface OpenIndex {
  readonly index: IndexFile;
  /** Path of the pack, where there is one. */
  readonly pack: string | undefined;
}

/** Indexes that this process is making, by their folders. */
const making = new Map<string, Promise<void>>();

/**
 * Opens the index of an archive, and makes it first where there is none that is whole. Of several processes, and of several
 * openers in one, one does so and the others wait.
 *
 * @throws SourceError `CACHE_LOCKED`; OutputError where the disk refuses; what reading the archive throws
 */
export async function openIndex(file: OpenFile, kind: ArchiveKind, rules: IndexRules): Promise<OpenIndex> {
  const { location, size, mtimeMs = null, etag = null } = file;
  const identity = JSON.stringify([VERSION, kind, location, size, mtimeMs, etag, rules.maxExpansion]);
  const key = createHash('sha256').update(identity).digest('hex').slice(0, 40);
  const work = { ...rules, file, kind, key, folder: path.join(rules.root, key) };
  for (let tried = false; ; ) {
    rules.signal?.throwIfAborted();
    const ready = await openReady(work);
    if (ready !== undefined) return ready;
    if (tried) throw unusable(work);
    const other = making.get(work.folder);
    if (other !== undefined) {
      // Whether it has succeeded is seen by what is there then: its reader may have been aborted.
      await other.catch(() => {});
      continue;
    }
    const made = make(work).catch((error: unknown) => {
      throw asCacheError(error, rules.root);
    });
    tried = true;
    making.set(work.folder, made);
    try {
      await made;
    } finally {
      making.delete(work.folder);
    }
  }
}

async function openReady({ folder, key }: Work): Promise<OpenIndex | undefined> {
  const index = await IndexFile.open(path.join(folder, INDEX), key);
  if (index === undefined) return undefined;
  const { pack } = index.head;
  if (pack === null) return { index, pack: undefined };
  const packFile = path.join(folder, pack.file);
  const stats = await stat(packFile).catch(() => undefined);
  if (stats?.size === pack.bytes) return { index, pack: packFile };
  index.close();
  return undefined;
}

/** Makes the index, or waits for the process that does. */
async function make(work: Work): Promise<void> {
  const { folder, signal } = work;
  await makeFolder(folder);
  let seen = '';
  let since = performance.now();
  for (;;) {
    signal?.throwIfAborted();
    const locked = await lockFile(path.join(folder, LOCK));
    if ('unlock' in locked) {
      try {
        const ready = await openReady(work);
        ready?.index.close();
        if (ready === undefined) await makeLocked(work);
      } finally {
        await locked.unlock();
      }
      return;
    }
    const signs = await signsOf(folder);
    if (signs !== seen) {
      seen = signs;
      since = performance.now();
    } else if (performance.now() - since > PATIENCE_MS) throw stuck(work, locked.holder);
    await sleep(POLL_MS, undefined, signal === undefined ? {} : { signal });
  }
}

/** What changes in a folder while an index is made. */
async function signsOf(folder: string): Promise<string> {
  const names = await readdir(folder);
  const signs = names.map(async (name) => {
    const stats = await stat(path.join(folder, name)).catch(() => undefined);
    return `${name} ${stats?.size} ${stats?.mtimeMs}`;
  });
  return (await Promise.all(signs)).join('\n');
}

async function makeLocked({ file, kind, key, folder, maxExpansion, maxPackBytes }: Work): Promise<void> {
  // What a process that was ended has left, or what is damaged.
  for (const name of await readdir(folder)) {
    if (name !== LOCK && !name.startsWith(`${LOCK}.`)) await rm(path.join(folder, name), { force: true });
  }
  const id = randomUUID();
  const packFile = `${id}.pack`;
  const temporary = path.join(folder, `${id}.tmp`);
  const pack = new PackWriter(path.join(folder, packFile), file.uri, maxPackBytes);
  const index = await IndexWriter.create(temporary);
  const beat = setInterval(() => {
    const now = new Date();
    utimes(temporary, now, now).catch(() => {});
  }, BEAT_MS);
  beat.unref();
  try {
    const { damage, contentBytes, blocks } = await buildIndex(file, kind, maxExpansion, index, pack);
    await pack.finish();
    const kept = pack.bytes === 0 ? null : { file: packFile, bytes: pack.bytes };
    await index.finish(key, { kind, damage, contentBytes, pack: kept }, blocks);
    await rename(temporary, path.join(folder, INDEX));
    await syncFolder(folder);
  } catch (error) {
    await rm(temporary, { force: true });
    await rm(path.join(folder, packFile), { force: true });
    throw error;
  } finally {
    clearInterval(beat);
    await index.close();
    await pack.close();
  }
}

async function syncFolder(folder: string): Promise<void> {
  // Windows cannot open a folder for fsync; its renames are durable by themselves.
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function stuck({ file, folder }: Work, holder: string): SourceError {
  const lock = path.join(folder, LOCK);
  return new SourceError(`the index of '${file.uri}' is being made by ${holder}, which gets no further`, {
    code: 'CACHE_LOCKED',
    path: lock,
    hint: `End that process, or remove ${lock} if it is gone.`,
  });
}

function unusable({ file, folder }: Work): OutputError {
  return new OutputError(`the index of '${file.uri}' was made and is not there, or not whole`, {
    code: 'CACHE_UNUSABLE',
    path: folder,
    hint: 'Check the disk, or set SLUICE_CACHE to another folder.',
  });
}

/** An error of the disk under the cache, told as such. */
function asCacheError(error: unknown, root: string): unknown {
  if (error instanceof SluiceError || !(error instanceof Error)) return error;
  const { code } = error as NodeJS.ErrnoException;
  if (code === undefined || !diskCodes.has(code)) return error;
  return new OutputError(`the cache for indexes of archives cannot be written: ${error.message}`, {
    code,
    path: root,
    hint: 'Make room or mend the permission and run again, or set SLUICE_CACHE to another folder.',
    cause: error,
  });
}
