import { type FileHandle, open } from 'node:fs/promises';
import { SluiceError } from '../errors.ts';

/** Bytes that can be read anywhere: a file, or a member of an archive that lies in memory. */
export interface ByteFile {
  /** What errors call it. */
  readonly path: string;
  readonly size: number;
  /**
   * `[start, end)` in a buffer that nobody writes to.
   * @throws SluiceError `TRUNCATED` where the file ends earlier
   */
  read(start: number, end: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** A buffer as a file. */
export function byteFileOf(path: string, bytes: Uint8Array): ByteFile {
  return {
    path,
    size: bytes.length,
    read: async (start, end) => {
      if (end > bytes.length) throw truncated(path, end, bytes.length);
      return bytes.subarray(start, end);
    },
    close: async () => {},
  };
}

/**
 * Opens a file of this machine.
 * @throws SluiceError `UNREADABLE`
 */
export async function openByteFile(path: string): Promise<ByteFile> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, 'r');
    const stats = await handle.stat();
    if (!stats.isFile()) throw new Error('it is no file');
    return new HandleFile(path, stats.size, handle);
  } catch (cause) {
    await handle?.close();
    throw new SluiceError(`'${path}' cannot be read: ${(cause as Error).message}`, { code: 'UNREADABLE', path, cause });
  }
}

class HandleFile implements ByteFile {
  readonly path: string;
  readonly size: number;
  readonly #handle: FileHandle;

  constructor(path: string, size: number, handle: FileHandle) {
    this.path = path;
    this.size = size;
    this.#handle = handle;
  }

  async read(start: number, end: number): Promise<Uint8Array> {
    if (end > this.size) throw truncated(this.path, end, this.size);
    const bytes = Buffer.allocUnsafeSlow(end - start);
    for (let filled = 0; filled < bytes.length; ) {
      const { bytesRead } = await this.#handle.read(bytes, filled, bytes.length - filled, start + filled);
      if (bytesRead === 0) throw truncated(this.path, end, start + filled);
      filled += bytesRead;
    }
    return bytes;
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

function truncated(path: string, wanted: number, there: number): SluiceError {
  return new SluiceError(`'${path}' ends at byte ${there}, before byte ${wanted}`, {
    code: 'TRUNCATED',
    path,
    hint: 'copy the file again; it became shorter, or its header says more than it holds',
  });
}
