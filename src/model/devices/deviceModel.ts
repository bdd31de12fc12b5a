import { ModelError } from '../../errors.ts';
import type { ModelConfig } from '../config.ts';
import { checkedPieceTokens } from '../cpu/cpuModel.ts';
import type { EncodedPiece, EncodeOptions, EntropyModel, TokenOptions, TokenSignals } from '../model.ts';
import type { ModelFile } from '../modelFile.ts';
import { referenceTokens } from '../reference.ts';
import { type Forward, longestPiece, streamBytes } from '../stream.ts';
import type { ModalityThresholds } from '../thresholds.ts';
import { type Device, deviceName } from './device.ts';
import { DeviceProcess, type OpenDevice, type ProcessOptions } from './deviceProcess.ts';
import type { Agreement, DeviceSpec, DeviceTimes } from './deviceProtocol.ts';

/**
 * The entropy model on devices that have processes of their own: a GPU, or another execution provider of ONNX Runtime than
 * the CPU. A document stays on the device that it began on, where its keys and values are; a new one goes to the device
 * with the least to do. Devices of one model are alike, so that it does not matter which.
 */
export class DeviceModel implements EntropyModel {
  readonly config: ModelConfig;
  readonly dir: string;
  readonly id: string;
  readonly dim: number;
  readonly device: Device;
  readonly autoThreshold: number | undefined;
  readonly modalityThresholds: ModalityThresholds;
  /** What the check against the CPU found when the devices were opened: the worst of them. */
  readonly agreement: Agreement;
  /** What decides bits beside the model and the kind of device. */
  readonly identity: string;
  /** For people. */
  readonly description: string;
  /** Whether its kernels are timed. */
  readonly profile: boolean;
  rowsComputed = 0;
  readonly #processes: readonly DeviceProcess[];
  readonly #mostPieceTokens: number;
  #documents = 0;

  private constructor(file: ModelFile, id: string, device: Device, devices: readonly OpenDevice[], profile: boolean) {
    this.dir = file.path;
    this.id = id;
    this.config = file.config;
    this.dim = file.config.dim;
    this.autoThreshold = file.autoThreshold;
    this.modalityThresholds = file.modalityThresholds;
    this.device = device;
    this.profile = profile;
    const opened = devices.map((one) => one.opened);
    const most = (pick: (agreement: Agreement) => number) =>
      Math.max(...opened.map(({ agreement }) => pick(agreement)));
    this.agreement = {
      entropyDifference: most(({ entropyDifference }) => entropyDifference),
      normDifference: most(({ normDifference }) => normDifference),
      tokens: most(({ tokens }) => tokens),
    };
    this.identity = opened[0]?.identity ?? '';
    this.description = opened.map(({ description }) => description).join('; ');
    this.#processes = devices.map(({ process }) => process);
    this.#mostPieceTokens = Math.min(...opened.map(({ mostPieceTokens }) => mostPieceTokens));
  }

  /**
   * Opens a model on devices, and compares what each computes with the CPU before anything else is computed.
   * Throws ModelError `NO_DEVICE`, `DEVICE_UNAVAILABLE` or `DEVICE_WRONG`; `DEVICES_DIFFER` where they are not alike.
   * @param idOf the model's id on devices of such an identity
   */
  static async open(
    file: ModelFile,
    device: Device,
    specs: readonly DeviceSpec[],
    idOf: (identity: string) => Promise<string>,
    options: ProcessOptions = {},
  ): Promise<DeviceModel> {
    const outcomes = await Promise.allSettled(specs.map((spec) => DeviceProcess.open(file.path, spec, options)));
    const devices = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
    try {
      for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
      const identities = [...new Set(devices.map(({ opened }) => opened.identity))];
      if (identities.length > 1) {
        throw new ModelError(
          `The devices ${specs.map(deviceName).join(' and ')} are not alike: ${identities.join(' and ')}.`,
          {
            code: 'DEVICES_DIFFER',
            hint: 'Their numbers would differ in the last bits. Give each kind a run of its own.',
          },
        );
      }
      return new DeviceModel(file, await idOf(identities[0] ?? ''), device, devices, isTimed(specs));
    } catch (error) {
      await Promise.all(devices.map(({ process }) => process.close()));
      throw error;
    }
  }

  get pools(): boolean {
    return this.device.startsWith('webgpu');
  }

  /** Devices that compute at once. */
  get threads(): number {
    return this.#processes.length;
  }

  /** Why no document can be begun any more: of several devices, one that is lost is enough. */
  get lost(): ModelError | undefined {
    return this.#processes.find(({ lost }) => lost !== undefined)?.lost;
  }

  encode(bytes: Uint8Array, options: EncodeOptions = {}): AsyncGenerator<EncodedPiece, void, void> {
    return this.#stream(bytes, { ...options, pieceTokens: checkedPieceTokens(options.pieceTokens) });
  }

  async referenceTokens(ids: ArrayLike<number>, options: TokenOptions = {}): Promise<TokenSignals> {
    const document = this.#documents++;
    const process = this.#leastLoaded();
    try {
      const forward = this.#forward(process, document, document, options.signal);
      return await referenceTokens(ids, forward, this.config, options);
    } finally {
      process.forget(document);
    }
  }

  /** Times of all kernels so far, of each device. */
  times(): Promise<DeviceTimes[]> {
    return Promise.all(this.#processes.map((process) => process.times()));
  }

  async close(): Promise<void> {
    await Promise.all(this.#processes.map((process) => process.close()));
  }

  async *#stream(
    bytes: Uint8Array,
    options: EncodeOptions & { readonly pieceTokens: number },
  ): AsyncGenerator<EncodedPiece, void, void> {
    const { preNorm = false, pool, pieceTokens, signal } = options;
    // not only where the first long document comes
    this.#requireRoom(longestPiece(pieceTokens));
    const document = this.#documents++;
    const process = this.#leastLoaded();
    try {
      const forward = this.#forward(process, document, options.priority ?? document, signal);
      yield* streamBytes(bytes, forward, { dim: this.dim, preNorm, pool: this.pools ? pool : undefined, pieceTokens });
    } finally {
      process.forget(document);
    }
  }

  /** Throws ModelError `DEVICE_LOST`. */
  #leastLoaded(): DeviceProcess {
    if (this.lost !== undefined) throw this.lost;
    return this.#processes.reduce((least, one) => (one.load < least.load ? one : least));
  }

  #forward(process: DeviceProcess, document: number, priority: number, signal: AbortSignal | undefined): Forward {
    return async (task) => {
      this.#requireRoom(task.tokens.length);
      const result = await process.pass(document, task, priority, signal);
      this.rowsComputed += result.entropies.length;
      return result;
    };
  }

  #requireRoom(tokens: number): void {
    if (tokens <= this.#mostPieceTokens) return;
    throw new ModelError(
      `A piece of ${tokens} tokens is too long for ${this.device}: at most ${this.#mostPieceTokens}.`,
      {
        code: 'DEVICE_PIECE',
        path: this.dir,
        hint: 'Give a GPU more memory (--gpu-memory), or embed a smaller pieceBytes.',
      },
    );
  }
}

const isTimed = (specs: readonly DeviceSpec[]): boolean => specs.some((spec) => spec.kind === 'webgpu' && spec.profile);
