import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { SourceError } from '../errors.ts';
import { Failure } from './failure.ts';
import { type FoundFile, unreadable } from './walk.ts';

/** A file of a split, open, and still the one that was planned; wherever it lies, formats read it through this alone. */
export interface OpenFile extends FoundFile {
  /** Absolute path where the file lies on this machine: worker threads may open it themselves. */
  readonly local?: string | undefined;
  /** `[start, end)` in a new buffer of its own. */
  read(start: number, end: number): Promise<Uint8Array<ArrayBuffer>>;
  /** The same in chunks, each a buffer of its own. */
  stream(start: number, end: number): AsyncIterable<Uint8Array>;
  close(): Promise<void>;
}

/** Names a file and its version, for what is kept of it; undefined where nothing tells one version from the next. */
export function versionOf({ location, size, etag, mtimeMs }: FoundFile): string | undefined {
  const version = etag ?? mtimeMs;
  return version === undefined ? undefined : `${location}\0${size}\0${version}`;
}

/** Bytes read at a time where a file is streamed. */
const CHUNK = 256 << 10;

/** A file that is not the one that was planned. */
export function changed(uri: string, what: string): SourceError {
  return new SourceError(`'${uri}' has changed since the run was planned: ${what}`, {
    code: 'INPUT_CHANGED',
    path: uri,
    hint: 'Plan again with --fresh: output from both versions must not be mixed.',
  });
}

class LocalFile implements OpenFile {
  readonly location: string;
  readonly local: string;
  readonly uri: string;
  readonly size: number;
  readonly mtimeMs: number | undefined;
  readonly #handle: FileHandle;

  constructor(file: FoundFile, handle: FileHandle) {
    this.location = file.location;
    this.local = file.location;
    this.uri = file.uri;
    this.size = file.size;
    this.mtimeMs = file.mtimeMs;
    this.#handle = handle;
  }

  async read(start: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = Buffer.allocUnsafeSlow(end - start);
    let filled = 0;
    while (filled < bytes.length) {
      const { bytesRead } = await this.#handle
        .read(bytes, filled, bytes.length - filled, start + filled)
        .catch((error: unknown) => {
          throw new Failure('UNREADABLE', unreadable(this.uri, error).message, undefined, error);
        });
      if (bytesRead === 0) throw changed(this.uri, 'it became shorter while it was read');
      filled += bytesRead;
    }
    return bytes;
  }

  async *stream(start: number, end: number): AsyncGenerator<Uint8Array> {
    for (let at = start; at < end; at += CHUNK) yield await this.read(at, Math.min(end, at + CHUNK));
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

/**
 * Opens a planned file of this machine and compares its identity: size and modification time. (A content hash would read
 * every input twice; whoever changes bytes and keeps both is believed.)
 *
 * @throws RecordError where it cannot be opened; SourceError `INPUT_CHANGED` where it is another file.
 */
export async function openLocal(file: FoundFile): Promise<OpenFile> {
  // O_NONBLOCK: a named pipe put in the file's place must not block a thread for ever.
  const handle = await open(file.location, constants.O_RDONLY | constants.O_NONBLOCK).catch((error: unknown) => {
    throw unreadable(file.uri, error);
  });
  try {
    const stats = await handle.stat();
    if (!stats.isFile()) throw changed(file.uri, 'it is no file any more');
    if (stats.size !== file.size) throw changed(file.uri, `${file.size} bytes then, ${stats.size} now`);
    if (Math.floor(stats.mtimeMs) !== file.mtimeMs) throw changed(file.uri, 'it was written to');
    return new LocalFile(file, handle);
  } catch (error) {
    await handle.close();
    throw error;
  }
}
