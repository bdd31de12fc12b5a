import { randomUUID } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import type { GgufMetadata } from './types.ts';
import { type GgufTensorData, ggufChunks } from './write.ts';

/**
 * Writes a GGUF file: under a temporary name beside `path` first, so that `path` is never half a file; one that was there
 * is replaced. Returns its bytes.
 *
 * @throws OutputError as {@link ggufChunks}, what the disk says, and the reason of `signal`; nothing is left then
 */
export async function writeGgufFile(
  path: string,
  metadata: GgufMetadata,
  tensors: readonly GgufTensorData[],
  signal?: AbortSignal,
): Promise<number> {
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    const file = await open(temporary, 'wx');
    let bytes = 0;
    try {
      for await (const chunk of ggufChunks(metadata, tensors)) {
        signal?.throwIfAborted();
        for (let done = 0; done < chunk.length; ) done += (await file.write(chunk, done)).bytesWritten;
        bytes += chunk.length;
      }
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    return bytes;
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
