import { ModelError } from '../../../errors.ts';
import type { ModelConfig } from '../../config.ts';
import type { EncodedPiece, EncodeOptions, EntropyModel, TokenOptions, TokenSignals } from '../../model.ts';
import type { ModelFile } from '../../modelFile.ts';
import { referenceTokens } from '../../reference.ts';
import { type Forward, streamBytes } from '../../stream.ts';
import { checkedPieceTokens } from '../cpuModel.ts';
import type { Device } from './backends.ts';
import { largestTensorBytes } from './blockedBand.ts';
import { DeviceProcess, type OpenDevice } from './deviceProcess.ts';
import type { Agreement } from './deviceProtocol.ts';

/** What every WebGPU device can bind as one buffer. */
const MOST_TENSOR_BYTES = 128 << 20;

/**
 * The entropy model on another execution provider of ONNX Runtime than the CPU. One pass at a time, all of it on the
 * device; keys and values of documents in progress stay in the device's process.
 */
export class DeviceModel implements EntropyModel {
  readonly config: ModelConfig;
  readonly dir: string;
  readonly id: string;
  readonly dim: number;
  readonly device: Device;
  readonly autoThreshold: number | undefined;
  readonly threads = 1;
  /** What the check against the CPU found when the device was opened. */
  readonly agreement: Agreement;
  rowsComputed = 0;
  readonly #process: DeviceProcess;
  #documents = 0;

  private constructor(file: ModelFile, id: string, provider: string, { process, agreement }: OpenDevice) {
    this.dir = file.path;
    this.id = id;
    this.config = file.config;
    this.dim = file.config.dim;
    this.autoThreshold = file.autoThreshold;
    this.device = `onnx:${provider}`;
    this.agreement = agreement;
    this.#process = process;
  }

  /**
   * Opens a model on a device, and compares what it computes with the CPU before anything else is computed.
   * Throws ModelError `NO_DEVICE`, `DEVICE_UNAVAILABLE` or `DEVICE_WRONG`.
   */
  static async open(file: ModelFile, id: string, provider: string): Promise<DeviceModel> {
    return new DeviceModel(file, id, provider, await DeviceProcess.open(file.path, provider));
  }

  encode(bytes: Uint8Array, options: EncodeOptions = {}): AsyncGenerator<EncodedPiece, void, void> {
    return this.#stream(bytes, { ...options, pieceTokens: checkedPieceTokens(options.pieceTokens) });
  }

  async referenceTokens(ids: ArrayLike<number>, options: TokenOptions = {}): Promise<TokenSignals> {
    const document = this.#documents++;
    try {
      return await referenceTokens(ids, this.#forward(document, document, options.signal), this.config, options);
    } finally {
      this.#process.forget(document);
    }
  }

  async close(): Promise<void> {
    await this.#process.close();
  }

  async *#stream(
    bytes: Uint8Array,
    options: EncodeOptions & { readonly pieceTokens: number },
  ): AsyncGenerator<EncodedPiece, void, void> {
    const { preNorm = false, pieceTokens, signal } = options;
    const document = this.#documents++;
    try {
      const forward = this.#forward(document, options.priority ?? document, signal);
      yield* streamBytes(bytes, forward, { dim: this.dim, preNorm, pieceTokens });
    } finally {
      this.#process.forget(document);
    }
  }

  #forward(document: number, priority: number, signal: AbortSignal | undefined): Forward {
    return async (task) => {
      this.#requireRoom(task.tokens.length);
      const result = await this.#process.pass(document, task, priority, signal);
      this.rowsComputed += result.entropies.length;
      return result;
    };
  }

  #requireRoom(tokens: number): void {
    const bytes = largestTensorBytes(this.config, tokens);
    if (bytes <= MOST_TENSOR_BYTES) return;
    throw new ModelError(
      `A piece of ${tokens} tokens makes a tensor of ${bytes} bytes; ${this.device} gets at most ${MOST_TENSOR_BYTES}.`,
      { code: 'DEVICE_PIECE', path: this.dir, hint: 'Give a smaller pieceBytes.' },
    );
  }
}
