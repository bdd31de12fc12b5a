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
 * @param reuse the buffer of a batch that is done with: taken if it is large enough. A fresh one of megabytes costs about
 *   half as much as signing what it holds
 * @throws PipelineError `BATCH_TOO_LARGE` beyond 4 GiB, before anything is allocated
 */
export function packDocuments(documents: readonly (Uint8Array | string)[], reuse?: ArrayBuffer): DocumentBatch {
  // counting bytes takes longer than writing them: most text is ASCII, and fits
  const expected = documents.reduce((sum, document) => sum + leastBytes(document), slackFor(documents));
  let buffer = bufferOf(expected, reuse);
  let isKnown = false;
  const offsets = new Uint32Array(documents.length + 1);
  let at = 0;
  for (const [i, document] of documents.entries()) {
    if (!isKnown && at + mostBytes(document) > buffer.length) {
      buffer = withRoom(buffer, at, documents.slice(i));
      isKnown = true;
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

/** A buffer in which the other documents fit behind what has been written. */
function withRoom(
  buffer: Buffer<ArrayBuffer>,
  written: number,
  others: readonly (Uint8Array | string)[],
): Buffer<ArrayBuffer> {
  const needed = others.reduce((sum, other) => sum + Buffer.byteLength(other), written);
  if (needed <= buffer.length) return buffer;
  const larger = bufferOf(needed);
  larger.set(buffer.subarray(0, written));
  return larger;
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

function bufferOf(bytes: number, reuse?: ArrayBuffer): Buffer<ArrayBuffer> {
  if (bytes > MOST_BYTES) {
    throw new PipelineError(`documents of ${bytes} bytes do not fit one batch`, {
      code: 'BATCH_TOO_LARGE',
      hint: 'a batch holds less than 4 GiB: cut it smaller',
    });
  }
  return Buffer.from(reuse !== undefined && reuse.byteLength >= bytes ? reuse : new ArrayBuffer(bytes));
}

/** The bytes of one document, within the buffer of its batch. */
export function documentAt({ bytes, offsets }: DocumentBatch, document: number): Uint8Array<ArrayBuffer> {
  return bytes.subarray(offsets[document], offsets[document + 1]);
}
