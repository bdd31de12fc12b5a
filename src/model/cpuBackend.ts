import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { PipelineError } from '../errors.ts';
import { Pool, sharedPool } from '../run/pool.ts';
import { CALIBRATION_FILE, readAutoThreshold } from './calibration.ts';
import { type ModelConfig, readConfig } from './config.ts';
import { ForwardQueue } from './forwardQueue.ts';
import type { EncodedPiece, EncodeOptions, EntropyModel, TokenOptions, TokenSignals } from './model.ts';
import { referenceTokens } from './reference.ts';
import { DEFAULT_PIECE_TOKENS, LAP_POSITIONS, streamBytes } from './stream.ts';
import { readWeights } from './weights.ts';

export interface OpenOptions {
  /** Worker threads of its own. Default: the pool that everything in the process shares. */
  readonly threads?: number | undefined;
}

/** The folder of the model that comes with the package. */
export function defaultModelDir(): string {
  return fileURLToPath(new URL('../../models/tiny', import.meta.url));
}

/**
 * Opens a model folder (`config.json` and `model.safetensors` in the Hub layout) for computation on the CPU: checks
 * every tensor's name, shape and type, and hashes the files. Workers load the weights when the first document comes.
 * Throws ModelError naming file and tensor.
 *
 *     const model = await openModel(defaultModelDir());
 *     for await (const piece of model.encode(Buffer.from('Hello'))) console.log(piece.entropies);
 */
export async function openModel(dir: string, options: OpenOptions = {}): Promise<EntropyModel> {
  const folder = resolve(dir);
  const config = readConfig(folder);
  const weights = await readWeights(folder, config);
  const [id, autoThreshold] = await Promise.all([digest(folder, weights.path), readAutoThreshold(folder)]);
  return new CpuModel(folder, id, config, autoThreshold, options.threads);
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
  #documents = 0;

  constructor(dir: string, id: string, config: ModelConfig, autoThreshold?: number, threads?: number) {
    this.dir = dir;
    this.id = id;
    this.config = config;
    this.dim = config.dim;
    this.autoThreshold = autoThreshold;
    this.#ownPool = threads === undefined ? undefined : new Pool({ threads });
    this.#queue = new ForwardQueue(() => this.#pool, dir, id);
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

  encode(bytes: Uint8Array, options: EncodeOptions = {}): AsyncGenerator<EncodedPiece, void, void> {
    const { preNorm = false, signal, priority = this.#documents++ } = options;
    return streamBytes(bytes, (task) => this.#queue.run(task, priority, signal), {
      dim: this.dim,
      preNorm,
      pieceTokens: checkedPieceTokens(options.pieceTokens),
    });
  }

  referenceTokens(ids: ArrayLike<number>, options: TokenOptions = {}): Promise<TokenSignals> {
    const priority = this.#documents++;
    return referenceTokens(ids, (task) => this.#queue.run(task, priority, options.signal), this.config, options);
  }

  async close(): Promise<void> {
    await this.#ownPool?.close();
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

async function digest(dir: string, weights: string): Promise<string> {
  const calibration = join(dir, CALIBRATION_FILE);
  const files = [join(dir, 'config.json'), weights, ...(existsSync(calibration) ? [calibration] : [])];
  const parts = await Promise.all(
    files.map(async (file) => {
      const hash = createHash('sha256');
      await pipeline(createReadStream(file), hash);
      return hash.digest('hex');
    }),
  );
  return createHash('sha256').update(parts.join('\n')).digest('hex');
}
