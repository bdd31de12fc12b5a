import type { OperatorFunction } from 'rxjs';
import { PipelineError } from '../errors.ts';
import { transduce } from '../flow/index.ts';
import { requireOptions } from '../knownOptions.ts';
import { resolveThreshold } from '../model/calibration.ts';
import { checkedMaxLength, startRule } from '../model/patcher.ts';
import { LONGEST_PATCH, type PatchSettings, SegmentPatcher } from '../model/segmentPatcher.ts';
import { type Encoded, type Meta, MODALITIES, type Modality, type Patches } from '../records.ts';
import { requireValues } from '../run/valueKinds.ts';
import { didYouMean } from '../suggest.ts';
import { EncodedFlow } from './encodedFlow.ts';

type Threshold = number | 'auto';

export interface PatchOptions {
  /**
   * `entropy`: a patch begins where the model is surprised. `space`: after a run of space-like bytes. `static`: every
   * `patchSize` tokens, BOS counted. `byte`: every byte. Default: `entropy`.
   */
  readonly mode?: 'entropy' | 'space' | 'byte' | 'static' | undefined;
  /**
   * Nats, rounded to float32; `'auto'` is the model's own for the modality, for patches of 4.5 bytes on average. An object gives
   * modalities theirs, and the others `'auto'`: `{ image: 3.2, text: 'auto' }`. Default: `'auto'`.
   */
  readonly threshold?: Threshold | Readonly<Partial<Record<Modality, Threshold>>> | undefined;
  /** A patch begins where the entropy rises by more than the threshold, which must then be a number. Default: false. */
  readonly monotonicity?: boolean | undefined;
  /** Nats: the entropy must be above the threshold and also rise by more than this. */
  readonly thresholdAdd?: number | undefined;
  /** Bytes: longer patches are cut into pieces of this length. Default, and at most: 1 MiB. */
  readonly maxPatchLength?: number | undefined;
  /** Tokens, for mode `static`. */
  readonly patchSize?: number | undefined;
  /** How the norms of a patch's bytes become its prominence. Default: `mean`. */
  readonly prominence?: 'mean' | 'max' | undefined;
  /** Hand on entropy and norm of every byte. Default: true; false gives empty arrays. */
  readonly keepSignals?: boolean | undefined;
}

const OPTIONS = {
  mode: true,
  threshold: true,
  monotonicity: true,
  thresholdAdd: true,
  maxPatchLength: true,
  patchSize: true,
  prominence: true,
  keepSignals: true,
} as const;

/**
 * Cuts segments into patches where the model's uncertainty says so, by the rules of the Byte Latent Transformer
 * (arXiv:2412.09871) as its code has them. Embedding: mean of the states before the final norm. A patch may span runs
 * of `embed`; the result is that of the whole segment. Without states (`embed({ preNorm: false })`) embeddings are
 * empty. Throws PipelineError `BAD_OPTION`; the flow fails with ModelError `NO_CALIBRATION` where `'auto'` means nothing,
 * and with PipelineError `WRONG_VALUES` where values do not come from `embed`.
 *
 *     segments.pipe(embed(), patch({ threshold: 1.335, maxPatchLength: 64 }))
 */
export function patch<M extends Meta = Meta>(options: PatchOptions = {}): OperatorFunction<Encoded<M>, Patches<M>> {
  requireOptions('patch', options, OPTIONS);
  const {
    mode = 'entropy',
    threshold = 'auto',
    monotonicity = false,
    prominence = 'mean',
    keepSignals = true,
  } = options;
  const { thresholdAdd, patchSize } = options;
  const maxLength = Math.min(checkedMaxLength(options.maxPatchLength), LONGEST_PATCH);
  const thresholdOf = (modality: Modality): Threshold =>
    typeof threshold === 'object' ? (threshold[modality] ?? 'auto') : threshold;
  if (typeof threshold === 'object') requireModalities(threshold);
  if (mode === 'entropy' && monotonicity && MODALITIES.some((modality) => thresholdOf(modality) === 'auto')) {
    throw new PipelineError('threshold "auto" is a level of entropy, but monotonicity compares its rise.', {
      code: 'BAD_OPTION',
      hint: 'Give a threshold in nats (of every modality), or leave monotonicity out.',
    });
  }
  const settingsFor = (auto: number | undefined, modality: Modality): PatchSettings => {
    const nats = mode === 'entropy' ? resolveThreshold({ autoThreshold: auto }, thresholdOf(modality)) : undefined;
    const rule = { mode, threshold: nats, monotonicity, thresholdAdd, patchSize, maxLength };
    return { rule, prominence, keepSignals };
  };
  // options that can be wrong by themselves fail here and not in the middle of a run
  for (const modality of MODALITIES) startRule(settingsFor(0, modality).rule);
  const decisive = { mode, threshold, monotonicity, thresholdAdd, patchSize, maxLength, prominence, keepSignals };

  const cut = transduce<Encoded<M>, Patches<M>>(
    () => {
      let open: SegmentPatcher<M> | undefined;
      return {
        next(run) {
          requireValues('patch', ['encoded runs'], run);
          if (open?.segment !== run.segment) {
            const dim = run.preNorm === undefined && run.pooled === undefined ? 0 : run.dim;
            open = new SegmentPatcher(run.segment, dim, settingsFor(run.autoThreshold, run.segment.modality));
          }
          const patches = open.push(run);
          if (run.last) open = undefined;
          return patches && [patches];
        },
      };
    },
    { name: 'patch', holds: HELD_BYTES, options: decisive },
  );
  return (source) =>
    cut(source instanceof EncodedFlow ? source.pooled((auto, modality) => settingsFor(auto, modality).rule) : source);
}

/** @throws PipelineError `BAD_OPTION` for a name that is no modality */
function requireModalities(thresholds: object): void {
  const known: readonly string[] = MODALITIES;
  const unknown = Object.keys(thresholds).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  throw new PipelineError(`threshold: '${unknown}' is no modality`, {
    code: 'BAD_OPTION',
    hint: didYouMean(unknown, MODALITIES) || `modalities are ${MODALITIES.join(', ')}`,
  });
}

/** The longest open patch: entropy and norm of each byte. */
const HELD_BYTES = 8 * LONGEST_PATCH;
