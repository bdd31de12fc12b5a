import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ModelError, PipelineError } from '../../errors.ts';
import { fileChunks } from '../../formats/fileChunks.ts';
import { Pool, sharedPool, workerModule } from '../../run/pool.ts';
import { CALIBRATION_FILE } from '../calibration.ts';
import { CarryPool } from '../carryMemory.ts';
import type { ModelConfig } from '../config.ts';
import { requireStamp } from '../fileStamp.ts';
import type { EncodedPiece, EncodeOptions, EntropyModel, TokenOptions, TokenSignals } from '../model.ts';
import { type ModelFile, readModelFile } from '../modelFile.ts';
import { referenceTokens } from '../reference.ts';
import { DEFAULT_PIECE_TOKENS, LAP_POSITIONS, streamBytes } from '../stream.ts';
import { areFloat32 } from '../weights.ts';
import { WEIGHT_CACHE_BYTES } from './footprint.ts';
import { ForwardQueue } from './forwardQueue.ts';
import type { LayerForm } from './layers/layerForm.ts';
import { LayerStore } from './layers/layerStore.ts';
import type { LayerCounts } from './layers/sharedLayers.ts';
import { passThreads } from './passThreads.ts';
import { type Device, providerOf } from './providers/backends.ts';
import type { DeviceModel } from './providers/deviceModel.ts';

/** Integer weights are offered from here on. */
const INT8_GAIN = 1.3;
const PROBE = workerModule(import.meta.url, './int8Probe');

export interface OpenOptions {
  /**
   * Where the model is computed: `cpu`, or `onnx:` and an execution provider that ONNX Runtime has on this platform, such
   * as `onnx:webgpu`. Default: `cpu`. Numbers of devices differ in their last bits.
   */
  readonly device?: Device | undefined;
  /** Worker threads of its own. Default: the pool that everything in the process shares. */
  readonly threads?: number | undefined;
  /** Compute with float32 weights, or with 7-bit integers, row by row: faster, not exact. Default: `f32`. */
  readonly weights?: LayerForm | undefined;
  /**
   * Bytes that decoded layers may take, where the file holds no float32. All workers share them. Default: 512 MiB; what
   * does not fit is decoded again for every pass, ahead of its use.
   */
  readonly weightCacheBytes?: number | undefined;
}

/** The folder of the model that comes with the package. */
export function defaultModelDir(): string {
  return fileURLToPath(new URL('../../../models/tiny', import.meta.url));
}

/**
 * Opens a model folder (`config.json` and `model.safetensors` in the Hub layout) or a GGUF file: checks every tensor's
 * name, shape and type, and hashes the files. On the CPU, workers load the weights when the first document comes. A device
 * loads them at once and is compared with the CPU. Throws ModelError naming file and tensor, or `NO_DEVICE`,
 * `DEVICE_UNAVAILABLE`, `DEVICE_WRONG`; a device never falls back to the CPU.
 *
 *     const model = await openModel(defaultModelDir());
 *     for await (const piece of model.encode(Buffer.from('Hello'))) console.log(piece.entropies);
 */
export async function openModel(
  path: string,
  options?: OpenOptions & { device?: 'cpu' | undefined },
): Promise<CpuModel>;
export async function openModel(path: string, options: OpenOptions): Promise<CpuModel | DeviceModel>;
export async function openModel(path: string, options: OpenOptions = {}): Promise<CpuModel | DeviceModel> {
  const { device = 'cpu' } = options;
  const provider = providerOf(device);
  requireCounts(options);
  const file = await readModelFile(resolve(path));
  if (provider !== undefined) {
    if (options.weights === 'int8') throw onCpuOnly(device);
    const { DeviceModel } = await import('./providers/deviceModel.ts');
    return DeviceModel.open(file, await digest(file, device), provider);
  }
  if (options.weights === 'int8') await requireInt8Gain(file);
  return new CpuModel(file, await digest(file, options.weights ?? 'f32'), options);
}

/** The entropy model on worker threads, one document a pass: its bits never depend on other documents or on the threads. */
export class CpuModel implements EntropyModel {
  readonly config: ModelConfig;
  readonly dir: string;
  readonly id: string;
  readonly dim: number;
  readonly autoThreshold: number | undefined;
  readonly #ownPool: Pool | undefined;
  readonly #queue: ForwardQueue;
  readonly #layers: LayerStore | undefined;
  readonly #carried: CarryPool;
  #documents = 0;

  constructor(file: ModelFile, id: string, options: OpenOptions = {}) {
    const { threads, weights: form = 'f32', weightCacheBytes: bytes = WEIGHT_CACHE_BYTES } = options;
    this.dir = file.path;
    this.id = id;
    this.config = file.config;
    this.dim = file.config.dim;
    this.autoThreshold = file.autoThreshold;
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

/**
 * Integer weights cost exactness: they are for machines and models where they gain speed.
 * Throws ModelError `INT8_NO_GAIN`.
 */
async function requireInt8Gain({ path, config }: ModelFile): Promise<void> {
  const gain = await sharedPool().run<number>(PROBE, { config });
  if (gain >= INT8_GAIN) return;
  throw new ModelError(
    `int8 weights are ${gain.toFixed(2)} times as fast as f32 here, with a model ${config.dim} wide; they must be ${INT8_GAIN} times.`,
    { code: 'INT8_NO_GAIN', path, hint: 'Use f32 weights, which are exact.' },
  );
}

function onCpuOnly(device: Device): PipelineError {
  return new PipelineError(`Weights of 7-bit integers are computed on the CPU only, not on ${device}.`, {
    code: 'BAD_OPTION',
    hint: 'Leave out weights, or the device.',
  });
}

function requireCounts({ threads = 1, weightCacheBytes = 0 }: OpenOptions): void {
  if (!Number.isSafeInteger(threads) || threads < 1) {
    throw new PipelineError(`${threads} threads are not possible.`, { code: 'BAD_OPTION', hint: 'At least 1.' });
  }
  if (!(weightCacheBytes >= 0)) {
    throw new PipelineError(`A weight cache of ${weightCacheBytes} bytes is not possible.`, { code: 'BAD_OPTION' });
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

/** @param form how it is computed, where bits differ from those of float32 on the CPU */
async function digest({ path, weights }: ModelFile, form: LayerForm | Device): Promise<string> {
  const files = [join(path, 'config.json'), weights.path, join(path, CALIBRATION_FILE)];
  const parts = await Promise.all(
    files.filter(existsSync).map(async (file) => {
      const hash = createHash('sha256');
      for await (const chunk of fileChunks(file)) hash.update(chunk);
      return hash.digest('hex');
    }),
  );
  requireStamp(weights.path, weights.stamp);
  return createHash('sha256')
    .update([...parts, ...(form === 'f32' ? [] : [form])].join('\n'))
    .digest('hex');
}
