import { PipelineError } from '../../errors.ts';
import { requireOptions } from '../../knownOptions.ts';
import { BANDING_OPTIONS, type Banding, requireBanding } from '../../lsh/bands.ts';
import { requireBits } from '../../lsh/bitSignature.ts';
import { bandingForCosine, DEFAULT_BITS } from '../../lsh/projections.ts';
import { checkedFolder } from '../../sinks/shardName.ts';
import type { Duplicate } from '../dedup/duplicatesFile.ts';
import { requireOneOf } from '../dedup/requireOneOf.ts';

export interface DedupVectorsOptions {
  /** The least similarity of duplicates, between 0 and 1. Default: 0.9; for space `plain`, 0.98. */
  readonly threshold?: number | undefined;
  /**
   * `whitened`: vectors are compared by what they differ in from the mean, every direction scaled to the same variance, as
   * the documents of the split show it. `plain`: as they are, for vectors that were made to be compared by cosine.
   * Default: `whitened`.
   */
  readonly space?: 'whitened' | 'plain' | undefined;
  /** Of a signature, a multiple of 16. Default: 512. */
  readonly bits?: number | undefined;
  /** Its bands; a row is a bit. Default: by the threshold; see `bandingForCosine`. */
  readonly banding?: Banding | undefined;
  /**
   * What pairs that share a band are verified by: the vectors themselves, or the agreement of their bits alone, whose
   * estimate of a cosine of 0.9 has a standard deviation of 0.02 with 512 bits; vectors are not kept then. Bits know
   * directions only: not for space `whitened`. Default: `exact`.
   */
  readonly verify?: 'exact' | 'bits' | undefined;
  /** A document is judged by so many bytes from its beginning. Default: 256 KiB. */
  readonly headBytes?: number | undefined;
  /** Shorter documents pass unjudged: a mean over few bytes says little. Default: 64. */
  readonly leastBytes?: number | undefined;
  /** Memory for documents that are not judged yet, with their embeddings; then they are, by what has come. Default: 64 MiB. */
  readonly holdBytes?: number | undefined;
  /** How many documents a document is compared with: the latest half of these that were kept, at least. */
  readonly window?:
    | {
        /** Default: 100,000. */
        readonly documents?: number | undefined;
        /** Memory for them, which may allow fewer. Default: 128 MB. */
        readonly bytes?: number | undefined;
      }
    | undefined;
  /** Folder of `<dir>/<split>.jsonl` in the output of a run. Default: `duplicates-vectors`. */
  readonly dir?: string | undefined;
  /** Called for each document that is dropped, in order, and awaited: for flows without a run. */
  readonly onDuplicate?: ((duplicate: Duplicate) => void | Promise<void>) | undefined;
}

const OPTIONS = {
  threshold: true,
  space: true,
  bits: true,
  banding: BANDING_OPTIONS,
  verify: true,
  headBytes: true,
  leastBytes: true,
  holdBytes: true,
  window: { documents: true, bytes: true },
  dir: true,
  onDuplicate: true,
} as const;

/** What decides the result, with every default in place. Plain data. */
export interface DedupVectorsSettings {
  readonly threshold: number;
  readonly space: 'whitened' | 'plain';
  readonly bits: number;
  readonly banding: Banding;
  readonly verify: 'exact' | 'bits';
  readonly headBytes: number;
  readonly leastBytes: number;
  readonly holdBytes: number;
  readonly window: { readonly documents: number; readonly bytes: number };
  readonly dir: string;
}

const DEFAULT_THRESHOLD = { whitened: 0.9, plain: 0.98 };

/** @throws PipelineError `BAD_THRESHOLD`, `BAD_COMPONENTS`, `BAD_BANDS`, `BAD_FOLDER` or `BAD_OPTION` */
export function dedupVectorsSettings(options: DedupVectorsOptions): DedupVectorsSettings {
  requireOptions('dedupVectors', options, OPTIONS);
  const { space = 'whitened', verify = 'exact', bits = DEFAULT_BITS, dir = 'duplicates-vectors' } = options;
  const { headBytes = 256 << 10, leastBytes = 64, holdBytes = 64 << 20 } = options;
  const { documents = 100_000, bytes = 128e6 } = options.window ?? {};
  requireOneOf('dedupVectors', 'space', space, ['whitened', 'plain']);
  requireOneOf('dedupVectors', 'verify', verify, ['exact', 'bits']);
  if (verify === 'bits' && space === 'whitened') {
    throw new PipelineError('dedupVectors: bits cannot verify what is alike in a whitened space', {
      code: 'BAD_OPTION',
      hint: "distances count there, too: leave verify out, or take { space: 'plain' }",
    });
  }
  for (const [name, value] of Object.entries({ headBytes, leastBytes, holdBytes, documents, bytes })) {
    if (value >= 1 && Number.isFinite(value)) continue;
    throw new PipelineError(`dedupVectors: ${name} cannot be ${value}`, {
      code: 'BAD_OPTION',
      hint: 'a finite number from 1 on',
    });
  }
  const threshold = options.threshold ?? DEFAULT_THRESHOLD[space];
  if (!(threshold > 0 && threshold < 1)) {
    throw new PipelineError(`dedupVectors: documents cannot be duplicates from a similarity of ${threshold} on`, {
      code: 'BAD_THRESHOLD',
      hint: 'a threshold lies between 0 and 1, both excluded',
    });
  }
  requireBits(bits);
  const { bands, rows } = options.banding ?? bandingForCosine(threshold, bits);
  requireBanding({ bands, rows }, bits);
  return {
    threshold,
    space,
    bits,
    banding: { bands, rows },
    verify,
    headBytes,
    leastBytes,
    holdBytes,
    window: { documents, bytes },
    dir: checkedFolder(dir),
  };
}
