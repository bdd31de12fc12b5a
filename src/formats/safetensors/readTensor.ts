import { fileChunks } from '../fileChunks.ts';
import type { SafetensorsHeader } from './read.ts';

/** All bytes of a tensor; none where there is no tensor of that name. */
export async function readTensor(file: string, header: SafetensorsHeader, name: string): Promise<Uint8Array> {
  const entry = header.tensors.get(name);
  if (entry === undefined) return new Uint8Array(0);
  const bytes = new Uint8Array(entry.length);
  let at = 0;
  for await (const chunk of fileChunks(file, entry.offset, entry.offset + entry.length)) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes.subarray(0, at);
}
