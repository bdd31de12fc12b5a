import { moving } from '../../run/pool.ts';
import { contentHashes, nonEmpty } from '../contentHash.ts';
import type { DocumentBatch } from '../documentBatch.ts';
import { keptSigner } from '../keptSigner.ts';
import { shortened } from '../shortSignature.ts';
import type { CorpusSettings } from './parts.ts';

/** Move the buffers of `bytes` and of `offsets` with it. */
export interface SignDocumentsTask extends DocumentBatch {
  readonly settings: Pick<CorpusSettings, 'shingle' | 'components' | 'banding' | 'near'>;
}

/** What a corpus keeps of each document of a batch. */
export interface SignedDocuments {
  readonly documents: number;
  /** u8[documents]: 1 for each that is at least as long as a shingle; where bytes alone are compared, that is not empty. */
  readonly signed: Uint8Array<ArrayBuffer>;
  /** u8[documents, 16]: the beginning of each SHA-256; zeros for the others. */
  readonly hashes: Uint8Array<ArrayBuffer>;
  /** u16[documents, components]; zeros for the others. Empty where bytes alone are compared. */
  readonly signatures: Uint16Array<ArrayBuffer>;
  /** u32[documents, bands, 2]: 64-bit keys, low word first; likewise. */
  readonly keys: Uint32Array<ArrayBuffer>;
}

/** Worker module: signs and hashes a batch of documents. */
export default function signDocuments(task: SignDocumentsTask): unknown {
  const { signed, signatures, keys } = signaturesOf(task);
  const hashes = contentHashes(task, signed);
  const result: SignedDocuments = { documents: signed.length, signed, hashes, signatures, keys };
  return moving(result, [signed.buffer, hashes.buffer, signatures.buffer, keys.buffer]);
}

function signaturesOf(task: SignDocumentsTask): Pick<SignedDocuments, 'signed' | 'signatures' | 'keys'> {
  const { shingle, components, banding, near } = task.settings;
  if (!near) return { signed: nonEmpty(task), signatures: new Uint16Array(0), keys: new Uint32Array(0) };
  const { signed, signatures, keys } = keptSigner({ shingle, components, banding }).sign(task);
  const short = new Uint16Array(signatures.length);
  shortened(signatures, short);
  return { signed, signatures: short, keys };
}
