import { moving } from '../run/pool.ts';
import type { DocumentBatch } from './documentBatch.ts';
import { keptSigner } from './keptSigner.ts';
import type { SignedBatch, SignerOptions } from './signer.ts';

/** A batch for a worker thread: move the buffers of `bytes` and of `offsets` with it. */
export interface SignTask extends DocumentBatch {
  readonly options: SignerOptions;
}

/** Comes back with the documents, so that nobody needs to keep them twice. All buffers are moved. */
export interface SignResult extends DocumentBatch, SignedBatch {}

/** Worker module: a `WorkerFunction` from `SignTask` to `SignResult`. */
export default function sign(tasks: readonly SignTask[]): unknown {
  const results = tasks.map(
    ({ options, bytes, offsets }): SignResult => ({ bytes, offsets, ...keptSigner(options).sign({ bytes, offsets }) }),
  );
  const views = results.flatMap(({ bytes, offsets, signed, signatures, keys }) => [
    ...[bytes, offsets, signed, signatures, keys],
  ]);
  return moving(
    results,
    views.map((view) => view.buffer),
  );
}
