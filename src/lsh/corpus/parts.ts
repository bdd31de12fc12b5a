import { PipelineError } from '../../errors.ts';
import type { Banding } from '../bands.ts';
import type { Shingle } from '../shingle.ts';

/** How the documents of a corpus are compared. */
export interface CorpusSettings {
  readonly shingle: Shingle;
  readonly components: number;
  readonly banding: Banding;
  /** Least similarity of two documents that are joined. */
  readonly threshold: number;
  /** False: documents with equal bytes only. */
  readonly near: boolean;
  /** By what a candidate is verified. */
  readonly verify: 'signature' | 'jaccard';
}

/** The files of a number of documents, in order: those of one split. */
export interface CorpusPart {
  /** Path of its files without their extension. */
  readonly file: string;
  /** Number of its first document in the corpus. */
  readonly first: number;
  readonly documents: number;
  /** Entries in each block of its keys. */
  readonly blocks: readonly number[];
}

/** Bytes of one signature in `<part>.signatures`: 16 bits a component. */
export const signatureBytes = ({ components }: CorpusSettings): number => 2 * components;

/** Bytes of one document in `<part>.documents`: see {@link DocumentRow}. */
export const ROW_BYTES = 40;
/** Bytes of a key in `<part>.keys`: high word, low word, number within the part. */
export const ENTRY_BYTES = 12;
/** Bytes of two numbers: the earlier document and the later one. */
export const PAIR_BYTES = 8;

export interface DocumentRow {
  /** The first 16 bytes of the SHA-256 of its bytes. */
  readonly hash: Uint8Array;
  /** Where its id ends in `<part>.ids`; it begins where the one before it ends. */
  readonly idEnd: number;
  /** Where its bytes end in `<part>.texts`, or would. */
  readonly textEnd: number;
  /** It is as long as a shingle at least, and so has a signature. */
  readonly signed: boolean;
}

export function writeRow(view: DataView, at: number, row: DocumentRow): void {
  new Uint8Array(view.buffer, view.byteOffset + at, 16).set(row.hash);
  view.setFloat64(at + 16, row.idEnd, true);
  view.setFloat64(at + 24, row.textEnd, true);
  view.setUint32(at + 32, row.signed ? 1 : 0, true);
}

export function readRow(bytes: Uint8Array): DocumentRow {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return {
    hash: bytes.subarray(0, 16),
    idEnd: view.getFloat64(16, true),
    textEnd: view.getFloat64(24, true),
    signed: view.getUint32(32, true) === 1,
  };
}

/** Documents are numbered with 32 bits. Throws PipelineError `CORPUS_TOO_LARGE`. */
export function requireNumbers(documents: number): void {
  if (documents < 2 ** 32 - 1) return;
  throw new PipelineError(`a corpus of ${documents} documents is too large`, {
    code: 'CORPUS_TOO_LARGE',
    hint: 'documents are numbered with 32 bits: deduplicate parts of it, each against the one before',
  });
}

/** The part that holds a document, by bisection: of those with the same first number, the last one is not empty. */
export function partOf(parts: readonly CorpusPart[], document: number): CorpusPart {
  let low = 0;
  let high = parts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if ((parts[middle]?.first ?? 0) <= document) low = middle;
    else high = middle - 1;
  }
  const part = parts[low];
  if (part === undefined || document < part.first || document >= part.first + part.documents)
    throw new RangeError(`No part of the corpus holds document ${document}.`);
  return part;
}
