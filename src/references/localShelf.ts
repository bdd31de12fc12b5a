import { constants, type Stats } from 'node:fs';
import { access, type FileHandle, open, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { Failure } from '../sources/failure.ts';
import { changed } from '../sources/open-file.ts';
import type { Located, Shelf } from './located.ts';

const ABSENT = new Set(['ENOENT', 'ENOTDIR', 'ENAMETOOLONG']);

/** Files below a folder of this machine. Links are followed as long as they stay within it. */
export class LocalShelf implements Shelf {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** @throws Failure `UNSAFE_REFERENCE`, `UNREADABLE` */
  async find(names: readonly string[]): Promise<Located | undefined> {
    for (const name of names) {
      const place = await this.#place(name);
      if (place !== undefined) return this.#located(name, place);
    }
    return undefined;
  }

  async #located(name: string, place: string): Promise<Located> {
    const stats = await stat(place);
    if (!stats.isFile()) {
      throw new Failure('UNREADABLE', stats.isDirectory() ? 'it is a folder' : 'it is neither a file nor a folder');
    }
    const { size } = stats;
    return { uri: name, size, key: `${place}\0${size}\0${stats.mtimeMs}`, read: () => readWhole(place, name, stats) };
  }

  async #place(name: string): Promise<string | undefined> {
    try {
      const root = await realpath(this.#folder);
      const place = await realpath(path.join(root, name));
      if (!place.startsWith(root.endsWith(path.sep) ? root : root + path.sep)) {
        throw new Failure('UNSAFE_REFERENCE', 'a symbolic link on the way leads out of the folder');
      }
      await access(place, constants.R_OK);
      return place;
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : '';
      if (error instanceof Failure) throw error;
      if (ABSENT.has(code)) return undefined;
      if (code === 'ELOOP') throw new Failure('UNSAFE_REFERENCE', 'its symbolic links form a loop');
      if (code === 'EACCES' || code === 'EPERM') {
        throw new Failure('UNREADABLE', 'permission is denied', 'Give this user the right to read it.');
      }
      throw error;
    }
  }
}

/** Nothing that was put in the file's place since is followed, or waited for. */
async function readWhole(place: string, name: string, was: Stats): Promise<Uint8Array> {
  let file: FileHandle;
  try {
    file = await open(place, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    throw changed(name, 'it cannot be opened any more');
  }
  try {
    const { size, mtimeMs } = await file.stat();
    if (size !== was.size || mtimeMs !== was.mtimeMs) throw changed(name, 'it was written to');
    const bytes = new Uint8Array(size);
    for (let at = 0; at < size; ) {
      const { bytesRead } = await file.read(bytes, at, size - at, at);
      if (bytesRead === 0) throw changed(name, 'it became shorter while it was read');
      at += bytesRead;
    }
    return bytes;
  } finally {
    await file.close();
  }
}
