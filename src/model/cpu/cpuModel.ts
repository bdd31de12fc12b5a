import { PipelineError } from '../../errors.ts';
import { Pool, sharedPool } from '../../run/pool.ts';
import { CarryPool } from '../carryMemory.ts';
import type { ModelConfig } from '../config.ts';
import type { EncodedPiece, EncodeOptions, EntropyModel, TokenOptions, TokenSignals } from '../model.ts';
import type { ModelFile } from '../modelFile.ts';
import { referenceTokens } from '../reference.ts';
import { DEFAULT_PIECE_TOKENS, LAP_POSITIONS, streamBytes } from '../stream.ts';
import type { ModalityThresholds } from '../thresholds.ts';
import { areFloat32 } from '../weights.ts';
import { WEIGHT_CACHE_BYTES } from './footprint.ts';
import { ForwardQueue } from './forwardQueue.ts';
import type { LayerForm } from './layers/layerForm.ts';
import { LayerStore } from './layers/layerStore.ts';
import type { LayerCounts } from './layers/sharedLayers.ts';
import { passThreads } from './passThreads.ts';

export interface CpuOptions {
  /** Worker threads of its own. Default: the pool that everything in the process shares. */
  readonly threads?: number | undefined;
  /** Compute with float32 weights, or with 7-bit integers, row by row. Default: `f32`. */
  readonly weights?: LayerForm | undefined;
  /** Bytes that decoded layers may take. Default: 512 MiB. */
  readonly weightCacheBytes?: number | undefined;
}

/** The entropy model on worker threads, one document a pass: its bits never depend on other documents or on the threads. */
export class CpuModel implements EntropyModel {
  readonly config: ModelConfig;
  readonly dir: string;
  readonly id: string;
  readonly dim: number;
  readonly autoThreshold: number | undefined;
  readonly modalityThresholds: ModalityThresholds;
  readonly #ownPool: Pool | undefined;
  readonly #queue: ForwardQueue;
  readonly #layers: LayerStore | undefined;
  readonly #carried: CarryPool;
  #documents = 0;

  constructor(file: ModelFile, id: string, options: CpuOptions = {}) {
    const { threads, weights: form = 'f32', weightCacheBytes: bytes = WEIGHT_CACHE_BYTES } = options;
    this.dir = file.path;
    this.id = id;
    this.config = file.config;
    this.dim = file.config.dim;
    this.autoThreshold = file.autoThreshold;
    this.modalityThresholds = file.modalityThresholds;
    this.#ownPool = threads === undefined ? undefined : new Pool({ threads });
    this.#layers = isMapped(file, form) ? undefined : new LayerStore(file, { form, bytes, threads: this.threads });
    // a queue sends two passes for every thread, and each reads and writes
    this.#carried = new CarryPool(file.config, 4 * this.threads);
    this.#queue = new ForwardQueue(() => this.#pool, {
      path: file.path,
      flopPerToken: file.weights.floatBytes / 2,
      passThreads: passThreads(file.config),
      spec: () => ({ model: file, id, layers: this.#layers?.shared }),
      workerDied: (layers) => this.#layers?.renew(layers?.id),
    });
  }

  /** The shared pool is asked for anew each time: a run may set its threads after the model was opened. */
  get #pool(): Pool {
    return this.#ownPool ?? sharedPool();
  }

  get threads(): number {
    return this.#pool.threads;
  }

  get rowsComputed(): number {
    return this.#queue.rowsComputed;
  }

  /** What became of the decoded layers that passes asked for; undefined where weights are mapped from their file. */
  get layerCounts(): LayerCounts | undefined {
    return this.#layers?.counts;
  }

  encode(bytes: Uint8Array, options: EncodeOptions = {}): AsyncGenerator<EncodedPiece, void, void> {
    const { preNorm = false, signal, priority = this.#documents++ } = options;
    return streamBytes(bytes, (task) => this.#queue.run(task, priority, signal), {
      dim: this.dim,
      preNorm,
      pieceTokens: checkedPieceTokens(options.pieceTokens),
      memory: this.#carried,
    });
  }

  referenceTokens(ids: ArrayLike<number>, options: TokenOptions = {}): Promise<TokenSignals> {
    const priority = this.#documents++;
    return referenceTokens(ids, (task) => this.#queue.run(task, priority, options.signal), this.config, {
      ...options,
      memory: this.#carried,
    });
  }

  async close(): Promise<void> {
    await this.#queue.close();
    await this.#ownPool?.close();
    this.#layers?.close();
  }
}

/** Refuses a piece that holds no byte beside BOS, or that reaches the end of the rotary lap. */
export function checkedPieceTokens(pieceTokens = DEFAULT_PIECE_TOKENS): number {
  if (Number.isInteger(pieceTokens) && pieceTokens >= 2 && pieceTokens <= LAP_POSITIONS / 2) return pieceTokens;
  throw new PipelineError(`A piece of ${pieceTokens} tokens is not possible.`, {
    code: 'BAD_OPTION',
    hint: `Give a whole number from 2 to ${LAP_POSITIONS / 2}.`,
  });
}

/** Float32 weights are computed with where they lie; all others are decoded first. */
function isMapped({ weights }: ModelFile, form: LayerForm): boolean {
  return form === 'f32' && areFloat32(weights);
}
