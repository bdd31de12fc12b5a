import { type FileHandle, open, statfs } from 'node:fs/promises';
import path from 'node:path';
import { OutputError, SourceError } from '../../errors.ts';

/** Room is looked for this often. */
const ROOM_BYTES = 64 << 20;
/** What is left free on the disk. */
const SPARE_BYTES = 256 << 20;

/** Keeps what of an archive cannot be read anew without all that lies before it. */
export class PackWriter {
  readonly #file: string;
  readonly #uri: string;
  readonly #most: number;
  #handle: FileHandle | undefined;
  bytes = 0;
  #room = 0;

  /** @param most Bytes that it may take. */
  constructor(file: string, uri: string, most: number) {
    this.#file = file;
    this.#uri = uri;
    this.#most = most;
  }

  /** @throws SourceError `PACK_LIMIT`; OutputError `ENOSPC` before the disk is full */
  async append(chunk: Uint8Array): Promise<void> {
    if (this.bytes + chunk.length > this.#most) {
      throw new SourceError(
        `what must be kept of '${this.#uri}' to read its members takes more than ${this.#most} bytes`,
        {
          code: 'PACK_LIMIT',
          path: this.#uri,
          hint: 'Set maxPackBytes higher, or pack the archive again, as plain tar, ZIP or in Zstandard frames of a few MiB.',
        },
      );
    }
    if (this.bytes + chunk.length > this.#room) await this.#lookForRoom();
    this.#handle ??= await open(this.#file, 'wx');
    for (let done = 0; done < chunk.length; ) done += (await this.#handle.write(chunk, done)).bytesWritten;
    this.bytes += chunk.length;
  }

  /** Sees to it that it is on the disk. */
  async finish(): Promise<void> {
    await this.#handle?.sync();
  }

  async close(): Promise<void> {
    await this.#handle?.close();
    this.#handle = undefined;
  }

  async #lookForRoom(): Promise<void> {
    const folder = path.dirname(this.#file);
    const { bavail, bsize } = await statfs(folder);
    if (bavail * bsize < ROOM_BYTES + SPARE_BYTES) {
      throw new OutputError(`the disk has no room for what must be kept of '${this.#uri}' to read its members`, {
        code: 'ENOSPC',
        path: folder,
        hint: 'Make room and run again, or set SLUICE_CACHE to a folder on another disk.',
      });
    }
    this.#room = this.bytes + ROOM_BYTES;
  }
}
