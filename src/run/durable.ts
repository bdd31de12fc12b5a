import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import path from 'node:path';
import { OutputError, SluiceError } from '../errors.ts';
import type { Artefact, ArtefactFile } from '../sinks/artefact.ts';
import { makeFolder } from './makeFolder.ts';

/**
 * Every step that changes the disk passes through `step`, so that a test can end the process, or make the disk refuse,
 * before any one of them. `SLUICE_CRASH_AT=n` kills the process before its n-th step; `SLUICE_DISK_ERROR=ENOSPC@n`
 * makes the n-th step fail. `SLUICE_COUNT_STEPS=1` tells at the end how many there were.
 */
class Steps {
  count = 0;
  readonly #crashAt = Number(process.env['SLUICE_CRASH_AT'] ?? 0);
  readonly #fault = /^(\w+)@(\d+)$/.exec(process.env['SLUICE_DISK_ERROR'] ?? '');

  constructor() {
    if (process.env['SLUICE_COUNT_STEPS']) process.once('exit', () => process.stderr.write(`steps ${this.count}\n`));
  }

  step(what: string, file: string): void {
    this.count++;
    if (this.count === this.#crashAt) process.kill(process.pid, 'SIGKILL');
    if (this.#fault !== null && this.count === Number(this.#fault[2])) {
      const code = this.#fault[1] ?? 'EIO';
      throw Object.assign(new Error(`${code}: injected before ${what}`), { code, path: file });
    }
  }
}

/** The output folder: the only place that gives files their final names. */
export class OutputFolder {
  readonly root: string;
  readonly steps = new Steps();

  constructor(root: string) {
    this.root = path.resolve(root);
  }

  resolve(relative: string): string {
    return path.join(this.root, relative);
  }

  /** Removes what a run that was ended left half-written, and makes the folder for temporary files. */
  async prepare(): Promise<void> {
    this.steps.step('clearing temporary files', this.root);
    await rm(this.resolve('.tmp'), { recursive: true, force: true });
    await this.#makeFolder('.tmp');
  }

  /** Takes the folder for temporary files away once a run is complete. */
  async tidy(): Promise<void> {
    this.steps.step('removing the temporary folder', this.root);
    await rm(this.resolve('.tmp'), { recursive: true, force: true });
  }

  /** Opens a file under a temporary name; `publish` renames it to `relative`. */
  async file(relative: string): Promise<TemporaryFile> {
    const flat = relative.replaceAll('/', '_');
    const temporary = this.resolve(`.tmp/${flat}.${hostname()}.${randomUUID()}`);
    await this.#makeFolder(path.posix.dirname(relative));
    return new TemporaryFile(this, relative, temporary);
  }

  /** Writes a small file whole: temporary name, fsync, rename, fsync of the folder. */
  async publish(relative: string, content: Uint8Array | string, info: Artefact['info'] = {}): Promise<Artefact> {
    const file = await this.file(relative);
    await file.write(typeof content === 'string' ? new TextEncoder().encode(content) : content);
    return file.publish(info);
  }

  async #makeFolder(relative: string): Promise<void> {
    const folder = this.resolve(relative);
    this.steps.step('making a folder', folder);
    const made = await makeFolder(folder);
    if (made !== undefined) await this.syncFolder(path.dirname(made));
  }

  async syncFolder(folder: string): Promise<void> {
    // Windows cannot open a folder for fsync; its renames are durable by themselves.
    if (process.platform === 'win32') return;
    const handle = await open(folder, 'r');
    try {
      this.steps.step('syncing a folder', folder);
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
}

/** A file that has no name of its own yet. */
export class TemporaryFile implements ArtefactFile {
  readonly temporary: string;
  readonly #folder: OutputFolder;
  readonly #relative: string;
  readonly #hash = createHash('sha256');
  #handle: FileHandle | undefined;
  #bytes = 0;
  #discarded = false;

  constructor(folder: OutputFolder, relative: string, temporary: string) {
    this.#folder = folder;
    this.#relative = relative;
    this.temporary = temporary;
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#requireWanted();
    this.#folder.steps.step('writing', this.#relative);
    if (this.#handle === undefined) {
      const handle = await open(this.temporary, 'wx');
      if (this.#discarded) await handle.close();
      else this.#handle = handle;
      this.#requireWanted();
    }
    let done = 0;
    while (done < chunk.length) done += (await this.#write(chunk, done)).bytesWritten;
    this.#hash.update(chunk);
    this.#bytes += chunk.length;
  }

  async publish(info: Artefact['info']): Promise<Artefact> {
    const { steps } = this.#folder;
    this.#requireWanted();
    if (this.#handle === undefined) await this.#adopt();
    const handle = this.#handle ?? (await open(this.temporary, 'r+'));
    this.#handle = undefined;
    try {
      steps.step('syncing', this.#relative);
      await handle.sync();
    } finally {
      await handle.close();
    }
    this.#requireWanted();
    const target = this.#folder.resolve(this.#relative);
    steps.step('renaming', this.#relative);
    await rename(this.temporary, target);
    await this.#folder.syncFolder(path.dirname(target));
    return { path: this.#relative, bytes: this.#bytes, sha256: this.#hash.digest('hex'), info };
  }

  /** Closes and removes a file that will not be published; does nothing once it is. */
  async discard(): Promise<void> {
    this.#discarded = true;
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close();
    await rm(this.temporary, { force: true });
  }

  #write(chunk: Uint8Array, from: number) {
    this.#requireWanted();
    if (this.#handle === undefined) throw new OutputError(`${this.#relative} is closed`, { code: 'GIVEN_UP' });
    return this.#handle.write(chunk, from);
  }

  /** Work that goes on after its split has failed must not give a file its name. */
  #requireWanted(): void {
    if (!this.#discarded) return;
    throw new OutputError(`${this.#relative} was given up`, { code: 'GIVEN_UP', path: this.temporary });
  }

  /** Nothing was written through this object: another writer made the file, so its bytes are read back for the hash. */
  async #adopt(): Promise<void> {
    for await (const chunk of createReadStream(this.temporary, { highWaterMark: 1 << 20 })) {
      this.#hash.update(chunk as Uint8Array);
      this.#bytes += (chunk as Uint8Array).length;
    }
  }
}

/** What the system says when a disk refuses. */
export const diskCodes: ReadonlySet<string> = new Set([
  'ENOSPC',
  'EDQUOT',
  'EIO',
  'EROFS',
  'EFBIG',
  'EMFILE',
  'ENFILE',
  'EACCES',
  'EPERM',
  'EEXIST',
  'ENOTDIR',
  'ENAMETOOLONG',
  'EBUSY',
]);

/** An error of the disk under the output, told as such; anything else stays what it is. */
export function asDiskError(error: unknown, root: string): unknown {
  if (error instanceof SluiceError) return error;
  const code = (error as { code?: unknown } | null)?.code;
  if (typeof code !== 'string') return error;
  const { path: file, syscall } = error as NodeJS.ErrnoException;
  // a folder of the system's own, such as /proc, or a name of a file where the folder would be
  if (syscall === 'mkdir' && ['ENOENT', 'EEXIST', 'ENOTDIR'].includes(code)) {
    const why = code === 'ENOENT' ? 'nothing can be made there' : 'there is a file of this name';
    return new OutputError(`the output folder cannot be made: ${why}`, {
      code: 'NO_FOLDER',
      path: file ?? root,
      hint: 'give another --output',
      cause: error,
    });
  }
  if (!diskCodes.has(code)) return error;
  const remedy =
    code === 'EACCES' || code === 'EPERM'
      ? 'mend the permission, or give another --output'
      : 'make room or mend the permission';
  return new OutputError(`the output folder cannot be written: ${(error as Error).message}`, {
    code,
    path: file ?? root,
    hint: `nothing committed is lost: ${remedy}, then run the same command again to resume`,
    cause: error,
  });
}
