import { PipelineError } from '../../errors.ts';
import { requireOptions } from '../../knownOptions.ts';
import { DEFAULT_BANDING } from '../../lsh/bandIndex.ts';
import { BANDING_OPTIONS, type Banding, requireBanding } from '../../lsh/bands.ts';
import { bandingFor } from '../../lsh/sCurve.ts';
import { DEFAULT_SHINGLE, requireShingle, SHINGLE_OPTIONS, type Shingle } from '../../lsh/shingle.ts';
import { DEFAULT_COMPONENTS, requireComponents } from '../../lsh/signature.ts';
import { checkedFolder } from '../../sinks/shardName.ts';
import type { Duplicate } from './duplicatesFile.ts';
import { requireOneOf } from './requireOneOf.ts';
import { type WindowLimit, type WindowSize, windowSize } from './windowSize.ts';

export interface DedupOptions {
  /**
   * `split`: within each split, as documents stream by. `corpus`: across all splits, in a run, which then reads its input
   * twice; it keeps signatures and keys in files and 4 bytes of memory for each document. Default: `split`.
   */
  readonly scope?: 'split' | 'corpus' | undefined;
  /** The least similarity of duplicates, between 0 and 1. Default: 0.5; in a corpus 0.7. */
  readonly threshold?: number | undefined;
  /** Default: 20 bands of 5 rows, in a corpus 14 of 8; where a threshold is given, the one that misses few pairs above it. */
  readonly banding?: Banding | undefined;
  /** Numbers in a signature. Default: 100, in a corpus 112; or as many as the banding needs. */
  readonly components?: number | undefined;
  /** What documents are compared by. One that is shorter than a shingle is nobody's duplicate. Default: five bytes. */
  readonly shingle?: Shingle | undefined;
  /**
   * False: only documents whose bytes are equal are duplicates, however short, but not empty ones; nothing is said of
   * similarity then. Default: true.
   */
  readonly near?: boolean | undefined;
  /**
   * What a pair that shares a band is verified by: the estimate of the signatures, or the exact Jaccard similarity, which
   * keeps the documents of the window and takes about 0.2 ms for a pair of 2 KB. Documents above 1 MiB are verified
   * by signature all the same. Default: `signature`.
   */
  readonly verify?: 'signature' | 'jaccard' | undefined;
  /** How many documents a document is compared with, in items and in memory. Not for a corpus. */
  readonly window?: WindowLimit | undefined;
  /** For a corpus alone. */
  readonly corpus?: CorpusFiles | undefined;
  /** Folder of `<dir>/<split>.jsonl` in the output of a run. Default: `duplicates`. */
  readonly dir?: string | undefined;
  /** Called for each document that is dropped, in order, and awaited: for flows without a run. In one, a split that is run again tells again. */
  readonly onDuplicate?: ((duplicate: Duplicate) => void | Promise<void>) | undefined;
}

/** Names of files in the output folder. */
export interface ReportFiles {
  readonly duplicates: string;
  readonly clusters: string;
  readonly report: string;
}

export interface CorpusFiles {
  /** Output folder of an earlier run that kept its index: its documents come before all of this one. Default: none. */
  readonly against?: string | undefined;
  /** Folder of signatures, keys and clusters in the output, there and here. Default: `dedup`. */
  readonly index?: string | undefined;
  /** Leave it there, some 450 bytes for each document, for corpora that come later. Default: true. */
  readonly keepIndex?: boolean | undefined;
  /** Names of files in the output folder for what is found in all splits. Default: none; `dedup/report-0.*` has the rest. */
  readonly files?: ReportFiles | undefined;
}

const OPTIONS = {
  scope: true,
  threshold: true,
  banding: BANDING_OPTIONS,
  components: true,
  shingle: SHINGLE_OPTIONS,
  near: true,
  verify: true,
  window: { documents: true, bytes: true },
  corpus: {
    against: true,
    index: true,
    keepIndex: true,
    files: { duplicates: true, clusters: true, report: true },
  },
  dir: true,
  onDuplicate: true,
} as const;

/** What decides the result, with every default in place. Plain data. */
export interface DedupSettings {
  readonly scope: 'split' | 'corpus';
  readonly threshold: number;
  readonly banding: Banding;
  readonly components: number;
  readonly shingle: Shingle;
  readonly near: boolean;
  readonly verify: 'signature' | 'jaccard';
  /** Of a corpus: everything. */
  readonly window: WindowSize;
  readonly dir: string;
}

/** A pair that is missed is lost, one too many is verified and dropped. */
const MISSED = 4;

/** What suits a window of documents does not suit a corpus, where unrelated ones meet by chance. */
const DEFAULTS = {
  split: { threshold: 0.5, banding: DEFAULT_BANDING, components: DEFAULT_COMPONENTS },
  corpus: { threshold: 0.7, banding: { bands: 14, rows: 8 }, components: 112 },
} as const;

const EVERYTHING: WindowSize = { documents: 2 ** 32 - 2, bytes: 0 };

/**
 * @throws PipelineError `BAD_THRESHOLD`, `BAD_BANDS`, `BAD_COMPONENTS`, `BAD_SHINGLE`, `BAD_WINDOW`, `BAD_FOLDER`, or
 *   `BAD_OPTION` for a `scope` or `verify` that does not exist
 */
export function dedupSettings(options: DedupOptions = {}): DedupSettings {
  requireOptions('dedup', options, OPTIONS);
  const { scope = 'split', shingle = DEFAULT_SHINGLE } = options;
  const { near = true, verify = 'signature', dir = 'duplicates' } = options;
  requireOneOf('dedup', 'scope', scope, ['split', 'corpus']);
  requireFor(scope, options);
  requireNear(options);
  const defaults = DEFAULTS[scope];
  const { threshold = defaults.threshold } = options;
  requireOneOf('dedup', 'verify', verify, ['signature', 'jaccard']);
  if (!(threshold > 0 && threshold < 1)) {
    throw new PipelineError(`dedup: documents cannot be duplicates from a similarity of ${threshold} on`, {
      code: 'BAD_THRESHOLD',
      hint: 'a threshold lies between 0 and 1, both excluded; for equal bytes alone there is { near: false }',
    });
  }
  requireShingle(shingle);
  const components = options.components ?? componentsFor(options.banding, defaults.components);
  requireComponents(components);
  const fits = components >= defaults.banding.bands * defaults.banding.rows;
  const usual = options.threshold === undefined && fits;
  const banding = options.banding ?? (usual ? defaults.banding : bandingFor(threshold, components, MISSED));
  requireBanding(banding, components);
  return {
    scope,
    threshold,
    banding: { bands: banding.bands, rows: banding.rows },
    components,
    shingle: { of: shingle.of, length: shingle.length },
    near,
    verify,
    window: scope === 'corpus' ? EVERYTHING : windowSize(options.window ?? {}, { near, verify, banding, components }),
    dir: checkedFolder(dir),
  };
}

/** What is no banding is told by `requireBanding`. */
function componentsFor(banding: Banding | undefined, usual: number): number {
  const needed = banding === undefined ? 0 : banding.bands * banding.rows;
  return Number.isInteger(needed) ? Math.max(usual, needed) : usual;
}

/** What says how alike documents are to be means nothing where their bytes have to be equal. */
function requireNear(options: DedupOptions): void {
  const names = ['threshold', 'banding', 'components', 'shingle', 'verify'] as const;
  const given = options.near === false ? names.filter((name) => options[name] !== undefined) : [];
  if (given.length === 0) return;
  throw new PipelineError(`dedup: ${given.join(', ')} cannot be given where only equal bytes count`, {
    code: 'BAD_OPTION',
    hint: 'leave near: false out (--exact of the pipeline dedup), or these',
  });
}

function requireFor(scope: 'split' | 'corpus', { window, corpus }: DedupOptions): void {
  const other = scope === 'split' ? corpus : window;
  if (other === undefined) return;
  throw new PipelineError(
    scope === 'split' ? "dedup: there is a corpus only with scope 'corpus'" : 'dedup: a corpus has no window',
    {
      code: 'BAD_OPTION',
      hint: scope === 'split' ? "add { scope: 'corpus' }" : 'leave it out: all documents are compared',
    },
  );
}
