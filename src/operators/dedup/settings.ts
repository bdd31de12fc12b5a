import { PipelineError } from '../../errors.ts';
import { DEFAULT_BANDING } from '../../lsh/bandIndex.ts';
import { type Banding, requireBanding } from '../../lsh/bands.ts';
import { bandingFor } from '../../lsh/sCurve.ts';
import { DEFAULT_SHINGLE, requireShingle, type Shingle } from '../../lsh/shingle.ts';
import { DEFAULT_COMPONENTS, requireComponents } from '../../lsh/signature.ts';
import { checkedFolder } from '../../sinks/shardName.ts';
import type { Duplicate } from './duplicatesFile.ts';
import { type WindowLimit, type WindowSize, windowSize } from './windowSize.ts';

export interface DedupOptions {
  /** `split`: within each split, as documents stream by. Default: `split`. */
  readonly scope?: 'split' | undefined;
  /** The least similarity of duplicates, between 0 and 1. Default: 0.5. */
  readonly threshold?: number | undefined;
  /** Default: 20 bands of 5 rows; where a threshold is given, the one that misses few pairs above it. */
  readonly banding?: Banding | undefined;
  /** Numbers in a signature. Default: 100, or as many as the banding needs. */
  readonly components?: number | undefined;
  /** What documents are compared by. One that is shorter than a shingle is nobody's duplicate. Default: five bytes. */
  readonly shingle?: Shingle | undefined;
  /** False: only documents whose bytes are equal are duplicates. Default: true. */
  readonly near?: boolean | undefined;
  /**
   * What a pair that shares a band is verified by: the estimate of the signatures, or the exact Jaccard similarity, which
   * keeps the documents of the window and takes about 0.2 ms for a pair of 2 KB. Documents above 1 MiB are verified
   * by signature all the same. Default: `signature`.
   */
  readonly verify?: 'signature' | 'jaccard' | undefined;
  /** How many documents a document is compared with, in items and in memory. */
  readonly window?: WindowLimit | undefined;
  /** Folder of `<dir>/<split>.jsonl` in the output of a run. Default: `duplicates`. */
  readonly dir?: string | undefined;
  /** Called for each document that is dropped, in order, and awaited: for flows without a run. */
  readonly onDuplicate?: ((duplicate: Duplicate) => void | Promise<void>) | undefined;
}

/** What decides the result, with every default in place. Plain data. */
export interface DedupSettings {
  readonly scope: 'split';
  readonly threshold: number;
  readonly banding: Banding;
  readonly components: number;
  readonly shingle: Shingle;
  readonly near: boolean;
  readonly verify: 'signature' | 'jaccard';
  readonly window: WindowSize;
  readonly dir: string;
}

/** A pair that is missed is lost, one too many is verified and dropped. */
const MISSED = 4;
const DEFAULT_THRESHOLD = 0.5;

/**
 * @throws PipelineError `BAD_THRESHOLD`, `BAD_BANDS`, `BAD_COMPONENTS`, `BAD_SHINGLE`, `BAD_WINDOW`, `BAD_FOLDER`, or
 *   `BAD_OPTION` for a `scope` or `verify` that does not exist
 */
export function dedupSettings(options: DedupOptions = {}): DedupSettings {
  const { scope = 'split', threshold = DEFAULT_THRESHOLD, shingle = DEFAULT_SHINGLE } = options;
  const { near = true, verify = 'signature', dir = 'duplicates' } = options;
  requireOneOf('scope', scope, ['split']);
  requireOneOf('verify', verify, ['signature', 'jaccard']);
  if (!(threshold > 0 && threshold < 1)) {
    throw new PipelineError(`dedup: documents cannot be duplicates from a similarity of ${threshold} on`, {
      code: 'BAD_THRESHOLD',
      hint: 'a threshold lies between 0 and 1, both excluded; for equal bytes alone there is { near: false }',
    });
  }
  requireShingle(shingle);
  const components = options.components ?? componentsFor(options.banding);
  requireComponents(components);
  const banding = options.banding ?? defaultBanding(options.threshold, components);
  requireBanding(banding, components);
  return {
    scope,
    threshold,
    banding: { bands: banding.bands, rows: banding.rows },
    components,
    shingle: { of: shingle.of, length: shingle.length },
    near,
    verify,
    window: windowSize(options.window ?? {}, { near, verify, banding, components }),
    dir: checkedFolder(dir),
  };
}

/** What is no banding is told by `requireBanding`. */
function componentsFor(banding: Banding | undefined): number {
  const needed = banding === undefined ? 0 : banding.bands * banding.rows;
  return Number.isInteger(needed) ? Math.max(DEFAULT_COMPONENTS, needed) : DEFAULT_COMPONENTS;
}

function defaultBanding(threshold: number | undefined, components: number): Banding {
  const fits = components >= DEFAULT_BANDING.bands * DEFAULT_BANDING.rows;
  if (threshold === undefined && fits) return DEFAULT_BANDING;
  return bandingFor(threshold ?? DEFAULT_THRESHOLD, components, MISSED);
}

function requireOneOf(option: string, value: string, known: readonly string[]): void {
  if (known.includes(value)) return;
  throw new PipelineError(`dedup: there is no ${option} '${value}'`, {
    code: 'BAD_OPTION',
    hint: `known: ${known.join(', ')}`,
  });
}
