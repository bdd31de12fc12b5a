import { SluiceError } from '../errors.ts';
import type { Encoded, Meta, Patches, Segment } from '../records.ts';
import { PatchEnds, type PatchRule } from './patchEnds.ts';

/** Longer patches are cut here whatever the rule says, so that an endless run of zeros needs no endless memory. */
export const LONGEST_PATCH = 1 << 20;

export interface PatchSettings {
  /** The token rule with BOS in front: byte i is token i + 1. At most {@link LONGEST_PATCH} bytes. */
  readonly rule: PatchRule;
  readonly prominence: 'mean' | 'max';
  readonly keepSignals: boolean;
}

/**
 * Cuts one segment into patches as its runs arrive; the result does not depend on how the runs were cut. Of a patch that
 * is still open only sums are kept, and the signals of its bytes.
 */
export class SegmentPatcher<M extends Meta = Meta> {
  readonly segment: Segment<M>;
  readonly #settings: PatchSettings;
  readonly #sums: Float64Array;
  readonly #ends: PatchEnds;
  #normSum = 0;
  #normMax = 0;
  #entropySum = 0;
  /** Bytes of the open patch. */
  #length = 0;
  /** The next byte. */
  #offset = 0;
  #entropies: Float32Array[] = [];
  #norms: Float32Array[] = [];

  constructor(segment: Segment<M>, dim: number, settings: PatchSettings) {
    this.segment = segment;
    this.#settings = settings;
    this.#sums = new Float64Array(dim);
    this.#ends = new PatchEnds(settings.rule);
  }

  /** Takes the next run; returns the patches it completes, if any. The last run completes all, if only none. */
  push(run: Encoded<M>): Patches<M> | undefined {
    if (run.segment !== this.segment || run.offset !== this.#offset) {
      throw new SluiceError(`A run at byte ${run.offset} of a segment arrived where byte ${this.#offset} was due.`, {
        code: 'RUN_ORDER',
        path: this.segment.document.source.uri,
        position: this.segment.document.source.position,
        hint: 'The stage before patch must keep the order of embed.',
      });
    }
    const first = this.#offset - this.#length;
    const ends = this.#ends.push(run.bytes, run.entropies, run.last);
    const dim = this.#sums.length;
    const patches = {
      lengths: new Int32Array(ends.length),
      embeddings: new Float32Array(ends.length * dim),
      prominence: new Float32Array(ends.length),
      entropy: new Float32Array(ends.length),
      coherence: new Float32Array(ends.length),
    };
    requireEnds(run, ends);
    let at = 0;
    ends.forEach((end, i) => {
      this.#add(run, at, end, i);
      const length = this.#length;
      const entropy = Math.fround(this.#entropySum / length);
      const prominence = Math.fround(this.#settings.prominence === 'max' ? this.#normMax : this.#normSum / length);
      patches.lengths[i] = length;
      patches.entropy[i] = entropy;
      patches.prominence[i] = prominence;
      patches.coherence[i] = (prominence * prominence) / (entropy + 1e-6);
      for (let d = 0; d < dim; d++) patches.embeddings[i * dim + d] = (this.#sums[d] ?? 0) / length;
      this.#reset();
      at = end;
    });
    this.#add(run, at, run.bytes.length, ends.length);
    this.#offset += run.bytes.length;
    const signals = this.#signals(run, ends.length > 0, at);
    if (ends.length === 0 && !run.last) return undefined;
    const bytes = this.segment.bytes.subarray(first, run.offset + at);
    return { segment: this.segment, offset: first, bytes, last: run.last, dim, ...patches, ...signals };
  }

  /** @param part which of the parts between the run's ends these bytes are */
  #add(run: Encoded<M>, from: number, to: number, part: number): void {
    const { preNorm, pooled, norms, entropies } = run;
    for (let i = from; i < to; i++) {
      const norm = norms[i] ?? 0;
      this.#normSum += norm;
      this.#normMax = Math.max(this.#normMax, norm);
      this.#entropySum += entropies[i] ?? 0;
      if (preNorm !== undefined) this.#addStates(preNorm, i, 1);
    }
    if (pooled !== undefined && to > from) this.#addStates(pooled.means, part, to - from);
    this.#length += to - from;
  }

  #addStates(states: Float32Array, row: number, times: number): void {
    const sums = this.#sums;
    const dim = sums.length;
    for (let d = 0, at = row * dim; d < dim; d++, at++) sums[d] = (sums[d] ?? 0) + times * (states[at] ?? 0);
  }

  #reset(): void {
    this.#sums.fill(0);
    this.#normSum = 0;
    this.#normMax = 0;
    this.#entropySum = 0;
    this.#length = 0;
  }

  /** Signals of the bytes up to `end`, if a patch ends there; the others are copied and held. */
  #signals(run: Encoded<M>, complete: boolean, end: number): Pick<Patches, 'entropies' | 'norms'> {
    if (!this.#settings.keepSignals) return { entropies: new Float32Array(0), norms: new Float32Array(0) };
    let done: Pick<Patches, 'entropies' | 'norms'> = { entropies: new Float32Array(0), norms: new Float32Array(0) };
    if (complete) {
      done = {
        entropies: joined([...this.#entropies, run.entropies.subarray(0, end)]),
        norms: joined([...this.#norms, run.norms.subarray(0, end)]),
      };
      this.#entropies = [];
      this.#norms = [];
    }
    if (end < run.bytes.length) {
      this.#entropies.push(run.entropies.slice(end));
      this.#norms.push(run.norms.slice(end));
    }
    return done;
  }
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** What was pooled elsewhere must have been cut where it is cut here. */
function requireEnds({ pooled, segment }: Encoded, ends: readonly number[]): void {
  if (pooled === undefined) return;
  if (pooled.ends.length === ends.length && ends.every((end, i) => end === pooled.ends[i])) return;
  throw new SluiceError('States were pooled by another rule than patches are cut by.', {
    code: 'RUN_ORDER',
    path: segment.document.source.uri,
    hint: 'Only patch may follow embed where states are pooled on a device.',
  });
}
