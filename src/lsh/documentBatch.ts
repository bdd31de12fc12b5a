import { PipelineError } from '../errors.ts';

/** Many documents in one buffer, which crosses a thread boundary without a copy. */
export interface DocumentBatch {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** One more than documents: document i lies from `offsets[i]` to `offsets[i + 1]`. */
  readonly offsets: Uint32Array<ArrayBuffer>;
}

const MOST_BYTES = 2 ** 32 - 1;
/** Text whose bytes are counted before it is written; for shorter text three times its length is kept free instead. */
const LONG = 1 << 16;

/**
 * Lays documents one behind the other; text becomes UTF-8 on the way, without a copy of its own. A surrogate without its
 * other half becomes U+FFFD, as everywhere. The buffer may be a little longer than the documents.
 *
 * @throws PipelineError `BATCH_TOO_LARGE` beyond 4 GiB, before anything is allocated
 */
export function packDocuments(documents: readonly (Uint8Array | string)[]): DocumentBatch {
  // counting bytes takes longer than writing them: most text is ASCII, and fits
  let buffer = newBuffer(documents.reduce((sum, document) => sum + leastBytes(document), slackFor(documents)));
  let isExact = false;
  const offsets = new Uint32Array(documents.length + 1);
  let at = 0;
  for (const [i, document] of documents.entries()) {
    if (!isExact && at + mostBytes(document) > buffer.length) {
      const others = documents.slice(i).reduce((sum, other) => sum + Buffer.byteLength(other), 0);
      const larger = newBuffer(at + others);
      larger.set(buffer.subarray(0, at));
      buffer = larger;
      isExact = true;
    }
    if (typeof document === 'string') {
      at += buffer.write(document, at);
    } else {
      buffer.set(document, at);
      at += document.length;
    }
    offsets[i + 1] = at;
  }
  return { bytes: new Uint8Array(buffer.buffer, 0, at), offsets };
}

function leastBytes(document: Uint8Array | string): number {
  return typeof document !== 'string' || document.length > LONG ? Buffer.byteLength(document) : document.length;
}

function mostBytes(document: Uint8Array | string): number {
  return typeof document !== 'string' || document.length > LONG ? Buffer.byteLength(document) : 3 * document.length;
}

/** What lets even the last short text be written without counting. */
function slackFor(documents: readonly (Uint8Array | string)[]): number {
  return documents.reduce((most, document) => Math.max(most, mostBytes(document) - leastBytes(document)), 0);
}

function newBuffer(bytes: number): Buffer<ArrayBuffer> {
  if (bytes <= MOST_BYTES) return Buffer.from(new ArrayBuffer(bytes));
  throw new PipelineError(`documents of ${bytes} bytes do not fit one batch`, {
    code: 'BATCH_TOO_LARGE',
    hint: 'a batch holds less than 4 GiB: cut it smaller',
  });
}

/** The bytes of one document, within the buffer of its batch. */
export function documentAt({ bytes, offsets }: DocumentBatch, document: number): Uint8Array<ArrayBuffer> {
  return bytes.subarray(offsets[document], offsets[document + 1]);
}
