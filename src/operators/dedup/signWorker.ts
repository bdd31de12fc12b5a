import { contentHashes, nonEmpty } from '../../lsh/contentHash.ts';
import type { DocumentBatch } from '../../lsh/documentBatch.ts';
import { keptSigner } from '../../lsh/keptSigner.ts';
import type { Shingle } from '../../lsh/shingle.ts';
import { moving } from '../../run/pool.ts';

/** A batch for a worker thread: move its buffers with it. */
export interface SignTask extends DocumentBatch {
  readonly shingle: Shingle;
  /** Numbers of a signature; 0 where hashes suffice. */
  readonly components: number;
}

/** All buffers are moved. */
export interface SignResult extends DocumentBatch {
  /** 1 for each document that has a shingle; where hashes suffice, that is not empty. */
  readonly signed: Uint8Array<ArrayBuffer>;
  /** One after the other; zeros where there is none. */
  readonly signatures: Uint32Array<ArrayBuffer>;
  /** The first 128 bits of SHA-256, one document after the other; zeros where there is no shingle. */
  readonly hashes: Uint32Array<ArrayBuffer>;
}

/** Worker module from `SignTask` to `SignResult`: what tells documents apart, and what tells how alike they are. */
export default function sign({ bytes, offsets, shingle, components }: SignTask): unknown {
  const batch = { bytes, offsets };
  const { signed, signatures } =
    components > 0
      ? keptSigner({ shingle, components }).sign(batch)
      : { signed: nonEmpty(batch), signatures: new Uint32Array(0) };
  const hashes = new Uint32Array(contentHashes(batch, signed).buffer);
  const result: SignResult = { bytes, offsets, signed, signatures, hashes };
  return moving(result, [bytes.buffer, offsets.buffer, signed.buffer, signatures.buffer, hashes.buffer]);
}
