import { PipelineError } from '../errors.ts';
import type { Banding } from './bands.ts';
import { ones, requireBits, WORD_BITS } from './bitSignature.ts';
import { normalAt } from './hyperplanes.ts';
import { bandingFor } from './sCurve.ts';

export const DEFAULT_BITS = 512;

/**
 * The signature of a vector by signed random projections (Charikar, STOC 2002): `bits` bits, each set where the vector
 * lies on the negative side of a random hyperplane through the origin; 16 to a word, the first one lowest. Two vectors
 * agree in a bit with a chance of 1 - angle / pi. A zero vector has no direction, hence no signature. Signatures with
 * fewer bits are beginnings of those with more.
 *
 * This is the plain form in double precision, against which the WebAssembly one (`Projector`) is tested. The two may
 * differ in bits of hyperplanes that the vector all but lies in.
 *
 *     cosineOf(agreement(projectionOf(a), projectionOf(b)))
 *
 * @param bits a multiple of 16. Default: 512
 * @throws PipelineError `BAD_COMPONENTS`, or `BAD_VECTOR` where a number is not finite
 */
export function projectionOf(vector: Float32Array, bits = DEFAULT_BITS): Uint16Array | undefined {
  requireBits(bits);
  requireFinite(vector);
  if (vector.every((x) => x === 0)) return undefined;
  const words = new Uint16Array(bits / WORD_BITS);
  for (let bit = 0; bit < bits; bit++) {
    const word = bit >>> 4;
    if (sideOf(vector, bit) < 0) words[word] = (words[word] ?? 0) | (1 << (bit & 15));
  }
  return words;
}

/** How far a vector lies from a hyperplane: the dot product with its normal. */
export function sideOf(vector: Float32Array, plane: number): number {
  let sum = 0;
  for (let i = 0; i < vector.length; i++) sum += (vector[i] ?? 0) * Math.fround(normalAt(plane, i));
  return sum;
}

/** The share of bits in which two signatures agree. */
export function agreement(a: Uint16Array, b: Uint16Array): number {
  if (a.length !== b.length || a.length === 0) {
    throw new RangeError(`Signatures of ${a.length} and of ${b.length} words cannot be compared.`);
  }
  let differing = 0;
  for (let i = 0; i < a.length; i++) differing += ones((a[i] ?? 0) ^ (b[i] ?? 0));
  return 1 - differing / (a.length * WORD_BITS);
}

/** The cosine between two vectors whose signatures agree in a share `p` of their bits: cos(pi (1 - p)). */
export function cosineOf(p: number): number {
  return Math.cos(Math.PI * (1 - p));
}

/** The chance that two vectors with this cosine agree in a bit: 1 - acos(cosine) / pi. The S-curve counts in it. */
export function agreementOf(cosine: number): number {
  return 1 - Math.acos(cosine) / Math.PI;
}

/**
 * The bands and rows of bits that serve a threshold of the cosine best: {@link bandingFor} at the agreement of vectors at
 * the threshold. Pairs missed count eight times as much as candidates too many: a comparison of two vectors is cheap.
 *
 * @throws PipelineError `BAD_THRESHOLD` or `BAD_COMPONENTS`
 */
export function bandingForCosine(threshold: number, bits = DEFAULT_BITS): Banding {
  requireBits(bits);
  return bandingFor(agreementOf(threshold), bits, 8);
}

/** Throws PipelineError `BAD_VECTOR` where a number is infinite or none. */
export function requireFinite(vector: Float32Array): void {
  const at = vector.findIndex((x) => !Number.isFinite(x));
  if (at === -1) return;
  throw new PipelineError(`a vector has ${vector[at]} at ${at}: it has no direction`, {
    code: 'BAD_VECTOR',
    hint: 'a model gives such numbers where its weights are damaged or its numbers overflow',
  });
}
