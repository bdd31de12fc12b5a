import type { Stats } from 'node:fs';
import { lstat, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { RecordError } from '../errors.ts';

/** A regular file as it was when the source was planned. */
export interface FoundFile {
  /** Absolute path, or the URL of a remote file. */
  readonly location: string;
  /** Relative to the source's root, with `/`; of a remote file that was named itself, its URL. */
  readonly uri: string;
  readonly size: number;
  /** Of a file on this machine: whole milliseconds. */
  readonly mtimeMs?: number | undefined;
  /** Of a remote file, what its store calls this version of its bytes: a strong entity tag or a hash. */
  readonly etag?: string | undefined;
}

export interface WalkOptions {
  readonly recursive: boolean;
  readonly followLinks: boolean;
  readonly hidden: boolean;
  /** Whether a file (or, for links and special files, what stands in its place) is wanted. */
  matches(uri: string): boolean;
  /** Folders that are not entered. */
  skips(uri: string): boolean;
  reject(error: RecordError): void;
  readonly signal?: AbortSignal | undefined;
}

/** Files looked at in one go: enough to hide the latency of a network disk, few enough to cost nothing. */
const BATCH = 64;

export function found(path: string, uri: string, stats: Stats): FoundFile {
  return { location: path, uri, size: stats.size, mtimeMs: Math.floor(stats.mtimeMs) };
}

/** The reject line of a path that the system refuses to open or list. */
export function unreadable(uri: string, error: unknown): RecordError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : undefined;
  const reason =
    code === 'EACCES' || code === 'EPERM'
      ? 'permission denied'
      : code === 'ENOENT'
        ? 'it is gone'
        : code === 'ELOOP'
          ? 'its links form a loop'
          : error instanceof Error
            ? error.message
            : String(error);
  return new RecordError(`cannot read '${uri}': ${reason}`, {
    code: code === 'ELOOP' ? 'LINK_LOOP' : 'UNREADABLE',
    path: uri,
    hint: code === 'EACCES' || code === 'EPERM' ? 'Give this user the right to read it.' : undefined,
    cause: error,
  });
}

function special(uri: string, stats: Stats): RecordError {
  const kind = stats.isFIFO()
    ? 'a named pipe'
    : stats.isSocket()
      ? 'a socket'
      : stats.isSymbolicLink()
        ? 'a symbolic link'
        : 'a device';
  return new RecordError(`'${uri}' is ${kind}, not a file`, {
    code: stats.isSymbolicLink() ? 'LINK_SKIPPED' : 'SPECIAL_FILE',
    path: uri,
    hint: stats.isSymbolicLink() ? 'Set followLinks to read what it points to.' : undefined,
  });
}

interface Entry {
  readonly name: string;
  readonly uri: string;
  readonly path: string;
  readonly stats: Stats;
}

/**
 * Lists the regular files below a folder in the byte order of their relative paths, whatever the file system's own
 * order. What cannot be read, and what is no file, is rejected; nothing is opened, so nothing can block.
 */
export async function* walk(root: string, options: WalkOptions): AsyncGenerator<FoundFile> {
  yield* folder(root, '', options, []);
}

async function* folder(
  path: string,
  uri: string,
  options: WalkOptions,
  above: readonly string[],
): AsyncGenerator<FoundFile> {
  options.signal?.throwIfAborted();
  let names: string[];
  let key: string;
  try {
    const here = await stat(path, { bigint: true });
    key = `${here.dev}:${here.ino}`;
    names = await readdir(path);
  } catch (error) {
    options.reject(unreadable(uri === '' ? '.' : uri, error));
    return;
  }
  if (above.includes(key)) {
    options.reject(
      new RecordError(`'${uri}' is a link to a folder that contains it`, { code: 'LINK_LOOP', path: uri }),
    );
    return;
  }
  const entries: Entry[] = [];
  for (let start = 0; start < names.length; start += BATCH) {
    const batch = names.slice(start, start + BATCH).map((name) => look(name, path, uri, options));
    for (const entry of await Promise.all(batch)) if (entry !== undefined) entries.push(entry);
  }
  // A folder sorts as its name and `/`, which puts the files below it where their whole paths belong.
  const keyed = entries.map((entry) => ({
    entry,
    key: Buffer.from(entry.stats.isDirectory() ? `${entry.name}/` : entry.name),
  }));
  keyed.sort((a, b) => Buffer.compare(a.key, b.key));
  for (const { entry } of keyed) {
    if (entry.stats.isDirectory()) {
      if (options.recursive && !options.skips(entry.uri))
        yield* folder(entry.path, entry.uri, options, [...above, key]);
    } else if (options.matches(entry.uri)) {
      if (entry.stats.isFile()) yield found(entry.path, entry.uri, entry.stats);
      else options.reject(special(entry.uri, entry.stats));
    }
  }
}

async function look(
  name: string,
  folderPath: string,
  folderUri: string,
  options: WalkOptions,
): Promise<Entry | undefined> {
  if (!options.hidden && name.startsWith('.')) return undefined;
  const path = join(folderPath, name);
  const uri = folderUri === '' ? name : `${folderUri}/${name}`;
  try {
    const stats = await lstat(path);
    return { name, uri, path, stats: options.followLinks && stats.isSymbolicLink() ? await stat(path) : stats };
  } catch (error) {
    if (options.matches(uri)) options.reject(unreadable(uri, error));
    return undefined;
  }
}
