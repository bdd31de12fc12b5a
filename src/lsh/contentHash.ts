import { hash } from 'node:crypto';
import { type DocumentBatch, documentAt } from './documentBatch.ts';

/** Bytes that are kept of a SHA-256. */
export const HASH_BYTES = 16;

/** The first 128 bits of the SHA-256 of each document that is marked; zeros for the others. */
export function contentHashes(batch: DocumentBatch, marked: Uint8Array): Uint8Array<ArrayBuffer> {
  const hashes = Buffer.from(new ArrayBuffer(HASH_BYTES * marked.length));
  for (let i = 0; i < marked.length; i++) {
    // in this form it comes fastest
    if (marked[i] === 1)
      hashes.write(hash('sha256', documentAt(batch, i)).slice(0, 2 * HASH_BYTES), HASH_BYTES * i, 'hex');
  }
  return new Uint8Array(hashes.buffer);
}

/** 1 for each document that is not empty. */
export function nonEmpty({ offsets }: DocumentBatch): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: offsets.length - 1 }, (_, i) => Number((offsets[i + 1] ?? 0) > (offsets[i] ?? 0)));
}
