import { PipelineError } from '../errors.ts';

/** Many documents in one buffer, which crosses a thread boundary without a copy. */
export interface DocumentBatch {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** One more than documents: document i lies from `offsets[i]` to `offsets[i + 1]`. */
  readonly offsets: Uint32Array<ArrayBuffer>;
}

const MOST_BYTES = 2 ** 32 - 1;

/**
 * Lays documents one behind the other; text becomes UTF-8 on the way, without a copy of its own. A surrogate without its
 * other half becomes U+FFFD, as everywhere.
 *
 * @throws PipelineError `BATCH_TOO_LARGE` beyond 4 GiB, before anything is allocated
 */
export function packDocuments(documents: readonly (Uint8Array | string)[]): DocumentBatch {
  const sizes = documents.map((document) =>
    typeof document === 'string' ? Buffer.byteLength(document) : document.length,
  );
  const total = sizes.reduce((sum, size) => sum + size, 0);
  if (total > MOST_BYTES) {
    throw new PipelineError(`${documents.length} documents of ${total} bytes do not fit one batch`, {
      code: 'BATCH_TOO_LARGE',
      hint: 'a batch holds less than 4 GiB: cut it smaller',
    });
  }
  const offsets = new Uint32Array(documents.length + 1);
  for (const [i, size] of sizes.entries()) offsets[i + 1] = (offsets[i] ?? 0) + size;
  const buffer = Buffer.from(new ArrayBuffer(total));
  for (const [i, document] of documents.entries()) {
    if (typeof document === 'string') buffer.write(document, offsets[i] ?? 0);
    else buffer.set(document, offsets[i]);
  }
  return { bytes: new Uint8Array(buffer.buffer), offsets };
}

/** The bytes of one document, within the buffer of its batch. */
export function documentAt({ bytes, offsets }: DocumentBatch, document: number): Uint8Array<ArrayBuffer> {
  return bytes.subarray(offsets[document], offsets[document + 1]);
}
