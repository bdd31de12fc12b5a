import type { Observable, OperatorFunction } from 'rxjs';
import { PipelineError } from '../errors.ts';
import { mapAsync, type Step, transduce } from '../flow/index.ts';
import { requireOptions } from '../knownOptions.ts';
import { DEFAULT_BANDING } from '../lsh/bandIndex.ts';
import { BANDING_OPTIONS, type Banding, requireBanding } from '../lsh/bands.ts';
import { candidateProbability } from '../lsh/sCurve.ts';
import { DEFAULT_SHINGLE, requireShingle, SHINGLE_OPTIONS, type Shingle } from '../lsh/shingle.ts';
import { DEFAULT_COMPONENTS, requireComponents } from '../lsh/signature.ts';
import type { Batch, Document, Segment } from '../records.ts';
import { sharedPool, workerModule } from '../run/pool.ts';
import { withTraits } from '../run/stages.ts';
import { percent } from './dedup/notes.ts';
import type { Grouping, GroupTask } from './similarityBatch/groupWorker.ts';
import type { BatchLimits } from './similarityBatch/packing.ts';
import { type SignedWindow, signedBytes, signedWindows, type WindowLimits } from './similarityBatch/signedWindows.ts';
import { type Unit, units } from './units.ts';

export interface SimilarityBatchOptions {
  /**
   * Tokens of a batch: one for each byte, and one for the beginning of each document or segment. A document with more is
   * a batch by itself. Default: 64 KiB.
   */
  readonly maxBytes?: number | undefined;
  /**
   * The batch is for a consumer that pads: every document counts as much as the longest of its batch, and documents of
   * very different lengths are kept apart even where they are alike. Default: true.
   */
  readonly padded?: boolean | undefined;
  /** Documents of a batch. Default: no limit. */
  readonly maxItems?: number | undefined;
  /** What is looked at together. */
  readonly window?:
    | {
        /** 1 to 65,536. Default: 4,096. */
        readonly documents?: number | undefined;
        /** A document with more is a window by itself. Two windows are held at a time. Default: 64 MiB. */
        readonly bytes?: number | undefined;
      }
    | undefined;
  /** What documents are compared by. Default: five bytes. */
  readonly shingle?: Shingle | undefined;
  /** Default: 20 bands of 5 rows. */
  readonly banding?: Banding | undefined;
  /** Of a signature. Default: 100. */
  readonly components?: number | undefined;
  /** The least estimated Jaccard similarity of two documents that share a band, for them to be alike. Default: 0.5. */
  readonly threshold?: number | undefined;
}

const OPTIONS = {
  maxBytes: true,
  padded: true,
  maxItems: true,
  window: { documents: true, bytes: true },
  shingle: SHINGLE_OPTIONS,
  banding: BANDING_OPTIONS,
  components: true,
  threshold: true,
} as const;

interface Settings {
  readonly limits: BatchLimits;
  readonly window: WindowLimits;
  readonly signing: { readonly shingle: Shingle; readonly banding: Banding; readonly components: number };
  readonly threshold: number;
}

const NAME = 'similarityBatch';
const MOST_DOCUMENTS = 65_536;
const groupModule = workerModule(import.meta.url, './similarityBatch/groupWorker');
/** What sorting, joining and packing take for each document of a window, besides its signature. */
const GROUPING_BYTES = 256;

/**
 * Puts alike documents, and documents of like length, into batches that are filled to a budget. Looks at one window of the
 * flow after the other: documents that share a band of their MinHash signatures and whose signatures agree are put together
 * with those that are alike them, the rest is packed by length. Every document leaves exactly once, its segments together
 * and in order; one that is shorter than a shingle is like no other. A document remains a context by itself: a batch only
 * says what may be computed at once.
 *
 * The batches of a window come in the order of their first documents. They depend on the documents and the options alone.
 * Near-duplicates in one batch are of use to a consumer that shares work between them; like lengths save padding. A model
 * that neither pads nor shares gains nothing: see docs/dedup.md for measurements.
 *
 *     segments.pipe(similarityBatch({ maxBytes: 64 << 10 }), embed(), patch())
 *
 * @throws PipelineError `BAD_LIMIT`, `BAD_WINDOW`, `BAD_THRESHOLD`, `BAD_SHINGLE`, `BAD_COMPONENTS` or `BAD_BANDS`
 */
export function similarityBatch<T extends Document | Segment>(
  options: SimilarityBatchOptions = {},
): OperatorFunction<T, Batch<T>> {
  const settings = settle(options);
  const { limits, window, signing, threshold } = settings;
  const batches = (source: Observable<T>): Observable<Batch<T>> => {
    const pool = sharedPool();
    return source.pipe(
      units<T>(),
      signedWindows<T>(NAME, signing, window),
      mapAsync(
        async ({ units, signed }: SignedWindow<T>): Promise<GroupedWindow<T>> => {
          const lengths = Float64Array.from(units, tokensOf);
          const task: GroupTask = { ...signed, lengths, threshold, limits };
          const moved = [signed.signed.buffer, signed.signatures.buffer, signed.keys.buffer, lengths.buffer];
          return { units, grouping: await pool.run<Grouping>(groupModule, task, moved) };
        },
        {
          name: `${NAME}.group`,
          room: { items: 1 },
          holds: window.documents * (signedBytes(signing) + GROUPING_BYTES),
        },
      ),
      // while the batches of one window are handed on, the next window fills
      transduce(batchesOf<T>, { name: NAME, holds: window.bytes, options: settings }),
    );
  };
  return withTraits(batches, { notes: async () => notesOf(settings) });
}

function notesOf({ limits, window, signing, threshold }: Settings): string[] {
  const { banding, shingle } = signing;
  const found = [threshold, 0.7, 0.9].map(
    (similarity) => `${similarity}: ${percent(candidateProbability(similarity, banding))}`,
  );
  return [
    `${NAME}: batches of ${limits.tokens} tokens${limits.padded ? ', padded,' : ''} out of windows of ${window.documents} documents or ${window.bytes} bytes`,
    `${NAME}: ${banding.bands} bands of ${banding.rows} rows over shingles of ${shingle.length} ${shingle.of}; alike from ${threshold} on; chance to be found by similarity: ${found.join(', ')}`,
  ];
}

interface GroupedWindow<T> {
  readonly units: readonly Unit<T>[];
  readonly grouping: Grouping;
}

/** Every value is a context, which begins with a token of its own. */
function tokensOf({ bytes, values }: Unit<unknown>): number {
  return bytes + values.length;
}

function batchesOf<T>(): Step<GroupedWindow<T>, Batch<T>> {
  let index = 0;
  return {
    *next({ units, grouping: { documents, ends, similarities } }) {
      let start = 0;
      for (const [i, end] of ends.entries()) {
        const members = Array.from(documents.subarray(start, end), (document) => units[document]).filter(
          (unit) => unit !== undefined,
        );
        start = end;
        const similarity = similarities[i];
        yield {
          index: index++,
          values: members.flatMap(({ values }) => values),
          units: members.length,
          bytes: members.reduce((sum, { bytes }) => sum + bytes, 0),
          longest: members.reduce((most, { bytes }) => Math.max(most, bytes), 0),
          ...(members.length > 1 && { similarity }),
        };
      }
    },
  };
}

function settle(options: SimilarityBatchOptions): Settings {
  requireOptions(NAME, options, OPTIONS);
  const { maxBytes = 64 << 10, padded = true, maxItems = Number.MAX_SAFE_INTEGER, threshold = 0.5 } = options;
  const { documents = 4096, bytes = 64 << 20 } = options.window ?? {};
  const { shingle = DEFAULT_SHINGLE, banding = DEFAULT_BANDING, components = DEFAULT_COMPONENTS } = options;
  requireShingle(shingle);
  requireComponents(components);
  requireBanding(banding, components);
  for (const [name, limit] of Object.entries({ maxBytes, maxItems })) {
    if (Number.isSafeInteger(limit) && limit >= 1) continue;
    throw new PipelineError(`${NAME}: ${name} is ${limit}`, {
      code: 'BAD_LIMIT',
      hint: 'give a whole number of at least 1',
    });
  }
  if (!(Number.isInteger(documents) && documents >= 1 && documents <= MOST_DOCUMENTS && bytes >= 1)) {
    throw new PipelineError(`${NAME}: a window of ${documents} documents and ${bytes} bytes is not possible`, {
      code: 'BAD_WINDOW',
      hint: `give 1 to ${MOST_DOCUMENTS} documents, and at least 1 byte`,
    });
  }
  if (!(threshold >= 0 && threshold <= 1)) {
    throw new PipelineError(`${NAME}: the threshold is ${threshold}`, {
      code: 'BAD_THRESHOLD',
      hint: 'give a similarity from 0 to 1',
    });
  }
  return {
    limits: { tokens: maxBytes, padded, documents: maxItems },
    window: { documents, bytes },
    signing: { shingle, banding, components },
    threshold,
  };
}
