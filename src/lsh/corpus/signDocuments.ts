import { createHash } from 'node:crypto';
import { moving } from '../../run/pool.ts';
import { type DocumentBatch, documentAt } from '../documentBatch.ts';
import { shortened } from '../shortSignature.ts';
import { Signer, type SignerOptions } from '../signer.ts';

/** Move the buffers of `bytes` and of `offsets` with it. */
export interface SignDocumentsTask extends DocumentBatch {
  /** Absent: no signatures, for documents that are compared by their bytes alone; all but empty ones count as signed. */
  readonly options?: SignerOptions | undefined;
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
  const documents = task.offsets.length - 1;
  const hashes = new Uint8Array(16 * documents);
  for (let i = 0; i < documents; i++) {
    hashes.set(createHash('sha256').update(documentAt(task, i)).digest().subarray(0, 16), 16 * i);
  }
  const result: SignedDocuments = { documents, hashes, ...signaturesOf(task, task.options) };
  const { signed, signatures, keys } = result;
  return moving(result, [signed.buffer, hashes.buffer, signatures.buffer, keys.buffer]);
}

function signaturesOf(
  batch: DocumentBatch,
  options: SignerOptions | undefined,
): Pick<SignedDocuments, 'signed' | 'signatures' | 'keys'> {
  const { offsets } = batch;
  if (options === undefined) {
    const signed = Uint8Array.from(offsets.subarray(1), (end, i) => (end > (offsets[i] ?? 0) ? 1 : 0));
    return { signed, signatures: new Uint16Array(0), keys: new Uint32Array(0) };
  }
  const key = JSON.stringify(options);
  if (kept?.options !== key) kept = { options: key, signer: new Signer(options) };
  const { signed, signatures, keys } = kept.signer.sign(batch);
  const short = new Uint16Array(signatures.length);
  shortened(signatures, short);
  return { signed, signatures: short, keys };
}
