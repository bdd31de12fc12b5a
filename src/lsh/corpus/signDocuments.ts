import { createHash } from 'node:crypto';
import { moving } from '../../run/pool.ts';
import { type DocumentBatch, documentAt } from '../documentBatch.ts';
import { shortened } from '../shortSignature.ts';
import { Signer, type SignerOptions } from '../signer.ts';

/** Move the buffers of `bytes` and of `offsets` with it. */
export interface SignDocumentsTask extends DocumentBatch {
  readonly options: SignerOptions;
}

/** What a corpus keeps of each document of a batch. */
export interface SignedDocuments {
  readonly documents: number;
  /** u8[documents]: 1 where there is a signature. */
  readonly signed: Uint8Array<ArrayBuffer>;
  /** u8[documents, 16]: the beginning of each SHA-256. */
  readonly hashes: Uint8Array<ArrayBuffer>;
  /** u16[documents, components]; zeros where there is none. */
  readonly signatures: Uint16Array<ArrayBuffer>;
  /** u32[documents, bands, 2]: 64-bit keys, low word first. */
  readonly keys: Uint32Array<ArrayBuffer>;
}

/** One task follows another with the same options: a thread keeps one signer. */
let kept: { readonly options: string; readonly signer: Signer } | undefined;

/** Worker module: signs and hashes a batch of documents. */
export default function signDocuments(task: SignDocumentsTask): unknown {
  const key = JSON.stringify(task.options);
  if (kept?.options !== key) kept = { options: key, signer: new Signer(task.options) };
  const documents = task.offsets.length - 1;
  const { signed, signatures, keys } = kept.signer.sign(task);
  const hashes = new Uint8Array(16 * documents);
  for (let i = 0; i < documents; i++) {
    hashes.set(createHash('sha256').update(documentAt(task, i)).digest().subarray(0, 16), 16 * i);
  }
  const short = new Uint16Array(signatures.length);
  shortened(signatures, short);
  const result: SignedDocuments = { documents, signed, hashes, signatures: short, keys };
  return moving(result, [signed.buffer, hashes.buffer, short.buffer, keys.buffer]);
}
