import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { SourceError } from '../errors.ts';
import { Failure } from './failure.ts';
import { type FoundFile, unreadable } from './walk.ts';

/** A file of a split, open, and still the one that was planned. */
export interface OpenFile extends FoundFile {
  readonly handle: FileHandle;
}

/** Bytes read at a time where a file is streamed. */
const CHUNK = 256 << 10;

function changed(file: FoundFile, what: string): SourceError {
  return new SourceError(`'${file.uri}' has changed since the run was planned: ${what}`, {
    code: 'INPUT_CHANGED',
    path: file.uri,
    hint: 'Plan again with --fresh: output from both versions must not be mixed.',
  });
}

/**
 * Opens a planned file and compares its identity: size and modification time. (A content hash would read every input
 * twice; whoever changes bytes and keeps both is believed.)
 *
 * @throws RecordError where it cannot be opened; SourceError `INPUT_CHANGED` where it is another file.
 */
export async function openPlanned(file: FoundFile): Promise<OpenFile> {
  // O_NONBLOCK: a named pipe put in the file's place must not block a thread for ever.
  const handle = await open(file.path, constants.O_RDONLY | constants.O_NONBLOCK).catch((error: unknown) => {
    throw unreadable(file.uri, error);
  });
  try {
    const stats = await handle.stat();
    if (!stats.isFile()) throw changed(file, 'it is no file any more');
    if (stats.size !== file.size) throw changed(file, `${file.size} bytes then, ${stats.size} now`);
    if (Math.floor(stats.mtimeMs) !== file.mtimeMs) throw changed(file, 'it was written to');
    return { ...file, handle };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Fills a new buffer of its own with `[start, end)` of the file. */
export async function readRange(file: OpenFile, start: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = Buffer.allocUnsafeSlow(end - start);
  let filled = 0;
  while (filled < bytes.length) {
    const { bytesRead } = await file.handle
      .read(bytes, filled, bytes.length - filled, start + filled)
      .catch((error: unknown) => {
        throw new Failure('UNREADABLE', unreadable(file.uri, error).message, undefined, error);
      });
    if (bytesRead === 0) throw changed(file, 'it became shorter while it was read');
    filled += bytesRead;
  }
  return bytes;
}

/** Streams `[start, end)` of the file in chunks, each a buffer of its own. */
export async function* streamRange(file: OpenFile, start: number, end: number): AsyncGenerator<Uint8Array> {
  for (let at = start; at < end; at += CHUNK) yield await readRange(file, at, Math.min(end, at + CHUNK));
}
