import { Signer, type SignerOptions } from './signer.ts';

let kept: { readonly key: string; readonly signer: Signer } | undefined;

/** The signer of a worker thread: one task follows another with the same options, and a signer takes time to make. */
export function keptSigner(options: SignerOptions): Signer {
  const key = JSON.stringify(options);
  if (kept?.key !== key) kept = { key, signer: new Signer(options) };
  return kept.signer;
}
