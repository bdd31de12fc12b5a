import { PipelineError } from '../../errors.ts';
import { type LikePairs, likePairs } from '../likePairs.ts';
import type { SemanticSettings } from './settings.ts';
import { whiteningOf, whitenRows } from './space.ts';

/** Of one shard: what the space of documents is made of. */
const SAMPLES = 256;

export interface ShardVectors {
  readonly settings: SemanticSettings;
  readonly dim: number;
  /** f32[patches, dim]; written to. */
  readonly embeddings: Float32Array;
  /** i32[patches], bytes. */
  readonly lengths: Int32Array;
  /** How many patches each document has here, in order. */
  readonly documents: readonly number[];
}

export interface DocumentVector {
  /** Its row. */
  readonly document: number;
  /** f32[dim]: the mean of the states of its bytes in this shard. */
  readonly vector: Float32Array;
}

interface PatchSample {
  readonly patch: number;
  readonly vector: Float32Array;
}

export interface PatchSemantics {
  /** Between patches. */
  readonly edges: LikePairs;
  /** Of documents that have patches, and some patches at equal distances: where documents are to be linked. */
  readonly vectors: readonly DocumentVector[] | undefined;
  readonly samples: readonly PatchSample[] | undefined;
}

const none: LikePairs = { earlier: new Uint32Array(0), later: new Uint32Array(0), cosines: new Float32Array(0) };

/**
 * Which patches of a shard are alike to the model: see {@link likePairs}. A patch and the next of the same document are not
 * linked, since their order links them.
 *
 * @throws PipelineError `NO_EMBEDDINGS` or `BAD_VECTOR`
 */
export function patchSemantics(shard: ShardVectors): PatchSemantics {
  const { settings, dim, embeddings, lengths, documents } = shard;
  if (lengths.length === 0) return { edges: none, vectors: undefined, samples: undefined };
  requireVectors(shard);
  const vectors = settings.documents === null ? undefined : documentVectors(shard);
  const samples = settings.documents === null ? undefined : samplesOf(shard);
  if (settings.space === 'whitened') {
    const whitening = whiteningOf(embeddings, dim);
    if (whitening !== undefined) whitenRows(embeddings, dim, whitening);
  }
  const begins = new Uint8Array(lengths.length + 1);
  let patch = 0;
  for (const patches of documents) {
    begins[patch] = 1;
    patch += patches;
  }
  const { threshold, neighbours, bits } = settings;
  const except = (earlier: number, later: number): boolean => later === earlier + 1 && begins[later] === 0;
  const edges = likePairs({ vectors: embeddings, dim, threshold, neighbours, bits, except });
  return { edges, vectors, samples };
}

function requireVectors({ dim, embeddings, lengths }: ShardVectors): void {
  if (dim === 0 || embeddings.length !== dim * lengths.length) {
    throw new PipelineError('semantic edges need embeddings, and the patches have none', {
      code: 'NO_EMBEDDINGS',
      hint: 'they are the states that embed hands on by default: leave out { preNorm: false }',
    });
  }
  const at = embeddings.findIndex((x) => !Number.isFinite(x));
  if (at === -1) return;
  throw new PipelineError(`patch ${Math.floor(at / dim)} of the shard has ${embeddings[at]} in its embedding`, {
    code: 'BAD_VECTOR',
    hint: 'a model gives such numbers where its weights are damaged or its numbers overflow',
  });
}

function documentVectors({ dim, embeddings, lengths, documents }: ShardVectors): DocumentVector[] {
  const vectors: DocumentVector[] = [];
  let patch = 0;
  for (const [document, patches] of documents.entries()) {
    const sums = new Float64Array(dim);
    let bytes = 0;
    for (const end = patch + patches; patch < end; patch++) {
      const length = lengths[patch] ?? 0;
      for (let i = 0; i < dim; i++) sums[i] = (sums[i] ?? 0) + length * (embeddings[patch * dim + i] ?? 0);
      bytes += length;
    }
    if (bytes > 0) vectors.push({ document, vector: Float32Array.from(sums, (sum) => sum / bytes) });
  }
  return vectors;
}

function samplesOf({ dim, embeddings, lengths }: ShardVectors): PatchSample[] {
  const samples: PatchSample[] = [];
  const step = Math.max(1, Math.ceil(lengths.length / SAMPLES));
  for (let patch = 0; patch < lengths.length; patch += step) {
    samples.push({ patch, vector: embeddings.slice(patch * dim, (patch + 1) * dim) });
  }
  return samples;
}
