import { PipelineError } from '../errors.ts';
import { DEFAULT_SHINGLE, mix, type Shingle, shingleHashes } from './shingle.ts';

/** What signatures depend on: two are comparable only if all of this is equal. */
export interface SignatureOptions {
  /** Default: five bytes. */
  readonly shingle?: Shingle | undefined;
  /** Numbers in a signature, 1 to 16384. Default: 100. */
  readonly components?: number | undefined;
}

export const DEFAULT_COMPONENTS = 100;
export const MOST_COMPONENTS = 16_384;
/** Marks a bin that nothing has filled; a hash with this value fills none. */
const EMPTY = 0xffffffff;

/** Throws PipelineError `BAD_COMPONENTS`. */
export function requireComponents(components: number): void {
  if (Number.isInteger(components) && components >= 1 && components <= MOST_COMPONENTS) return;
  throw new PipelineError(`${components} components make no signature`, {
    code: 'BAD_COMPONENTS',
    hint: `1 to ${MOST_COMPONENTS}`,
  });
}

/**
 * The MinHash signature of a document: `components` 32-bit numbers. The share of places where two signatures agree is an
 * unbiased estimate of the Jaccard similarity of the two sets of shingles; its standard deviation is at most about
 * sqrt(J (1 - J) / components). A document without any shingle (shorter than one) has none, and is like no other.
 *
 * Fast Similarity Sketching (Dahlgaard, Knudsen, Thorup, FOCS 2017): round 0 drops each shingle's hash into one of as many
 * bins as components, and every bin keeps the least. While bins are empty, a further round with other hashes fills only
 * those; from round `components` on, round i drops all hashes into bin i - components. Signatures of different numbers
 * of components have nothing in common.
 *
 * This is the plain form, against which the WebAssembly one ({@link Signer}) is tested; it holds every hash.
 *
 *     similarity(signatureOf(a) ?? [], signatureOf(b) ?? [])
 *
 * @throws PipelineError `BAD_SHINGLE` or `BAD_COMPONENTS`
 */
export function signatureOf(bytes: Uint8Array, options: SignatureOptions = {}): Uint32Array | undefined {
  const { shingle = DEFAULT_SHINGLE, components = DEFAULT_COMPONENTS } = options;
  requireComponents(components);
  const hashes = shingleHashes(bytes, shingle);
  if (hashes.length === 0) return undefined;
  const signature = new Uint32Array(components).fill(EMPTY);
  for (let round = 0; round < 2 * components && signature.includes(EMPTY); round++) {
    const found = leastHashes(hashes, round, components);
    for (const [bin, least] of found.entries()) if (signature[bin] === EMPTY) signature[bin] = least;
  }
  return signature;
}

/** What a round puts into each bin. */
function leastHashes(hashes: Uint32Array, round: number, bins: number): Uint32Array {
  const least = new Uint32Array(bins).fill(EMPTY);
  for (const hash of hashes) {
    const value = round === 0 ? hash : mix(round, hash);
    const bin = round < bins ? ((value >>> 16) * bins) >>> 16 : round - bins;
    if (value < (least[bin] ?? 0)) least[bin] = value;
  }
  return least;
}

/** The estimated Jaccard similarity of two documents: the share of the places where their signatures agree. */
export function similarity(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length || a.length === 0) {
    throw new RangeError(`Signatures of ${a.length} and of ${b.length} components cannot be compared.`);
  }
  let equal = 0;
  for (let i = 0; i < a.length; i++) if (a[i] === b[i]) equal++;
  return equal / a.length;
}
