import { resolve } from 'node:path';
import { Observable, type OperatorFunction } from 'rxjs';
import { ModelError, RecordError, SluiceError } from '../errors.ts';
import { mapAsync, transduce } from '../flow/index.ts';
import { requireOptions } from '../knownOptions.ts';
import { checkedPieceTokens } from '../model/cpu/cpuModel.ts';
import { deviceFootprint, modelFootprint } from '../model/cpu/footprint.ts';
import type { EncodedPiece, EncodeOptions, EntropyModel } from '../model/model.ts';
import { defaultModelDir, type OpenOptions } from '../model/openModel.ts';
import { openOptions } from '../model/openOptions.ts';
import { sharedModel } from '../model/sharedModels.ts';
import { longestPiece, pieceEnd } from '../model/stream.ts';
import { autoThresholdFor } from '../model/thresholds.ts';
import type { Batch, Encoded, Meta, Segment } from '../records.ts';
import { currentRun, type RunContext, rejectOrThrow } from '../run/context.ts';
import { sharedPool } from '../run/pool.ts';
import { requireValues } from '../run/valueKinds.ts';
import { EncodedFlow, type PatchRuleFor } from './encodedFlow.ts';

export interface EmbedOptions {
  /** Model folder. Default: the model that comes with the package. */
  readonly model?: string | undefined;
  /** Hand on the state of every byte, which patches are averaged from. Default: true. */
  readonly preNorm?: boolean | undefined;
  /** Where the model runs; see {@link OpenOptions}. Default: `auto`, a GPU or the CPU. `--device` of a run goes before it. */
  readonly device?: 'auto' | OpenOptions['device'];
  /** See {@link OpenOptions}. Default: `f32`. `--weights` of a run goes before it. */
  readonly weights?: OpenOptions['weights'];
  /** Bytes of a segment that one forward pass takes, BOS counted as one. Default: 1024. */
  readonly pieceBytes?: number | undefined;
}

const OPTIONS = { model: true, preNorm: true, device: true, weights: true, pieceBytes: true } as const;

/** Codes of errors that say something about one document; any other is about the model and fails the flow. */
const OF_A_DOCUMENT = new Set(['MODEL_RUN', 'MODEL_NOT_FINITE', 'MODEL_WORKER']);
/** Runs of segments in the room: enough for short documents to keep every thread busy beside a long one. */
const ROOM_ITEMS = 256;
const ROOM_BYTES = 64 << 20;

/**
 * Lets the entropy model read every segment: entropy, norm and state of each byte. A segment longer than `pieceBytes`
 * leaves in several runs, in order, and is never held as a whole; its keys and values are carried from run to run, so
 * the result is that of one pass over all of it. Bits depend on the segment and the model alone: the segments of a batch
 * ({@link Batch}) follow one another, and know nothing of each other.
 *
 * A document is handed on wholly or not at all: one that the model cannot compute is rejected with everything that
 * follows of it, as long as nothing of it has left; after that the flow fails with ModelError `DOCUMENT_CUT`, and
 * a run repeats the split. A model that cannot be opened, or that changes or breaks, fails the flow with ModelError.
 *
 * Values other than segments fail the flow with PipelineError `WRONG_VALUES`.
 * Where `patch` follows at once and the model is on a GPU, states are averaged there, and never leave it.
 *
 *     segments.pipe(embed({ model: 'models/tiny' }), patch())
 */
export function embed<M extends Meta = Meta>(
  options: EmbedOptions = {},
): OperatorFunction<Segment<M> | Batch<Segment<M>>, Encoded<M>> {
  requireOptions('embed', options, OPTIONS);
  const { preNorm = true } = options;
  const dir = resolve(options.model ?? defaultModelDir());
  const pieceTokens = checkedPieceTokens(options.pieceBytes);
  openOptions(options);

  const encoded = (source: Observable<Segment<M> | Batch<Segment<M>>>, ruleFor?: PatchRuleFor) =>
    new Observable<Encoded<M>>((out) => {
      const run = currentRun();
      const how = openOptions(options, run?.model);
      const { width, holds } = sizesOf(dir, pieceTokens, how);
      const bytesPerToken = 8 + (preNorm ? 4 * width : 0);
      const pieceBytes = longestPiece(pieceTokens) * bytesPerToken;
      return source
        .pipe(
          transduce<Segment<M> | Batch<Segment<M>>, Segment<M>>(() => ({
            next: (value) => ('values' in value ? value.values : [value]),
          })),
          transduce(() => ({
            next(segment) {
              requireValues('embed', ['segments'], segment);
              return piecesOf(segment, () => sharedModel(dir, how), { pieceTokens, preNorm, ruleFor });
            },
          })),
          mapAsync((piece: Piece<M>, signal) => compute(piece, signal), {
            name: 'embed',
            concurrency: ROOM_ITEMS,
            room: { items: ROOM_ITEMS, bytes: Math.max(ROOM_BYTES, 8 * pieceBytes) },
            least: pieceBytes,
            holds,
            sizeOf: ({ bytes, last, work }) => bytes.length * bytesPerToken + (last ? work.segment.bytes.length : 0),
            options: { device: kindOf(how.device), preNorm, pieceTokens },
            identify: async () => ({ model: (await sharedModel(dir, how)).id }),
          }),
          transduce(() => ({ next: wholeDocuments<M>(run) })),
        )
        .subscribe(out);
    });
  return (source) => new EncodedFlow(encoded(source), (ruleFor) => encoded(source, preNorm ? ruleFor : undefined));
}

/** A part of a segment that one pass computes. */
interface Piece<M extends Meta> {
  readonly work: SegmentWork<M>;
  readonly offset: number;
  /** View of the segment's bytes. */
  readonly bytes: Uint8Array;
  readonly last: boolean;
}

interface Outcome<M extends Meta> {
  readonly piece: Piece<M>;
  readonly encoded?: Encoded<M>;
  readonly error?: unknown;
}

interface SegmentOptions {
  readonly pieceTokens: number;
  readonly preNorm: boolean;
  /** The states are for patches cut by this rule, and for nothing else. */
  readonly ruleFor: PatchRuleFor | undefined;
}

/** What the pieces of one segment share. */
class SegmentWork<M extends Meta> {
  readonly segment: Segment<M>;
  readonly #open: () => Promise<EntropyModel>;
  readonly #options: SegmentOptions;
  #stream: AsyncGenerator<EncodedPiece, void, void> | undefined;

  constructor(segment: Segment<M>, open: () => Promise<EntropyModel>, options: SegmentOptions) {
    this.segment = segment;
    this.#open = open;
    this.#options = options;
  }

  model(): Promise<EntropyModel> {
    return this.#open();
  }

  #encodeOptions(model: EntropyModel): EncodeOptions {
    const { pieceTokens, preNorm, ruleFor } = this.#options;
    if (ruleFor === undefined || !model.pools) return { pieceTokens, preNorm };
    const { modality } = this.segment;
    return { pieceTokens, pool: ruleFor(autoThresholdFor(model, modality), modality) };
  }

  /** Pieces may be asked for all at once; each is computed after the one before it. */
  async next(model: EntropyModel, signal: AbortSignal): Promise<EncodedPiece> {
    this.#stream ??= model.encode(this.segment.bytes, { ...this.#encodeOptions(model), signal });
    const result = await this.#stream.next();
    if (!result.done) return result.value;
    throw new ModelError('An earlier piece of the segment failed.', { code: 'MODEL_RUN' });
  }

  /** No piece will be asked for any more: what the model holds for the segment is given up, after those in hand. */
  end(): void {
    // who asked for a piece hears of its failure
    this.#stream?.return().catch(() => {});
  }
}

function* piecesOf<M extends Meta>(
  segment: Segment<M>,
  open: () => Promise<EntropyModel>,
  options: SegmentOptions,
): Iterable<Piece<M>> {
  const work = new SegmentWork(segment, open, options);
  const { pieceTokens } = options;
  const total = segment.bytes.length;
  let offset = 0;
  try {
    do {
      // BOS is the first token
      const end = pieceEnd(offset === 0 ? 0 : offset + 1, total + 1, pieceTokens) - 1;
      yield { work, offset, bytes: segment.bytes.subarray(offset, end), last: end === total };
      offset = end;
    } while (offset < total);
  } finally {
    // the flow may end before the segment does
    if (offset < total) work.end();
  }
}

async function compute<M extends Meta>(piece: Piece<M>, signal: AbortSignal): Promise<Outcome<M>> {
  const { work, offset, bytes, last } = piece;
  const model = await work.model();
  const { segment } = work;
  const autoThreshold = autoThresholdFor(model, segment.modality);
  const common = { segment, offset, bytes, last, dim: model.dim, autoThreshold };
  if (bytes.length === 0) {
    const none = new Float32Array(0);
    return { piece, encoded: { ...common, entropies: none, norms: none, preNorm: none } };
  }
  try {
    const { entropies, norms, preNorm, pooled } = await work.next(model, signal);
    return { piece, encoded: { ...common, entropies, norms, preNorm, pooled } };
  } catch (error) {
    // what has befallen the model or its device befalls all documents alike
    if (error instanceof ModelError && !OF_A_DOCUMENT.has(error.code)) throw error;
    return { piece, error };
  }
}

/** Lets a document pass wholly or not at all; see {@link embed}. */
function wholeDocuments<M extends Meta>(
  run: RunContext | undefined,
): (outcome: Outcome<M>) => Encoded<M>[] | undefined {
  let id: string | undefined;
  let state: 'new' | 'passing' | 'rejected' = 'new';
  return ({ piece, encoded, error }) => {
    const { segment } = piece.work;
    const { document } = segment;
    if (document.id !== id || (segment.index === 0 && piece.offset === 0)) state = 'new';
    id = document.id;
    if (state === 'rejected') return undefined;
    if (encoded !== undefined) {
      state = 'passing';
      return [encoded];
    }
    const reason = error instanceof Error ? error.message : String(error);
    const { uri, position } = document.source;
    if (state === 'passing') {
      throw new ModelError(
        `The model failed at byte ${piece.offset} of a segment whose document has begun to be written: ${reason}`,
        {
          code: 'DOCUMENT_CUT',
          path: uri,
          position,
          cause: error,
          hint: 'Nothing of this split is committed; run again to repeat it.',
        },
      );
    }
    state = 'rejected';
    const { code, hint } = error instanceof SluiceError ? error : { code: 'MODEL_RUN', hint: undefined };
    const failure = new RecordError(reason, { code, hint, path: uri, position, cause: error });
    rejectOrThrow(run, 'embed', failure, segment.index === 0 && segment.last ? segment.bytes : undefined);
    return undefined;
  };
}

/** Width of the model's states, and bytes that computing takes. A folder that cannot be read says so when it is opened. */
function sizesOf(
  dir: string,
  pieceTokens: number,
  how: OpenOptions,
): { readonly width: number; readonly holds: number } {
  try {
    const { device = 'cpu', weights, weightCacheBytes, gpuMemoryBytes } = how;
    const { dim, bytes } = device.startsWith('webgpu')
      ? deviceFootprint(dir, device, gpuMemoryBytes)
      : modelFootprint(dir, {
          weights: weights === 'int8' ? 'int8' : 'f32',
          weightCacheBytes,
          pieceTokens,
          threads: sharedPool().threads,
        });
    return { width: dim, holds: bytes };
  } catch {
    return { width: 0, holds: 0 };
  }
}

/** Which GPU it is says the model's id, and how many there are changes no bit. */
const kindOf = (device = 'cpu'): string => (device.startsWith('webgpu') ? 'webgpu' : device);
