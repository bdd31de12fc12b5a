import { basename, dirname } from 'node:path';
import type { InferenceSession, Tensor } from 'onnxruntime-node';
import type { ModelConfig } from '../../config.ts';
import type { DeviceResult, DeviceTask } from '../../devices/deviceProtocol.ts';
import type { ModelFile } from '../../modelFile.ts';
import { RopeTable } from '../../rope.ts';
import { BLOCKED_INPUT } from '../onnx/blockedAttention.ts';
import { deviceGraph } from '../onnx/entropyGraph.ts';
import { MappedWeights } from '../onnx/mappedWeights.ts';
import { INPUT, OUTPUT } from '../onnx/ports.ts';
import { type Feeds, floats, loadRuntime, type Runtime } from '../session.ts';
import { blockedBandOf } from './blockedBand.ts';

type Provider = NonNullable<InferenceSession.SessionOptions['executionProviders']>[number];

/** Rotated keys and values of a document's last positions: of each layer f32[G, rows, d]. */
export interface CarriedRows {
  readonly rows: number;
  readonly keys: readonly Tensor[];
  readonly values: readonly Tensor[];
}

/** What a pass gives: its result, and what the pass after it begins with. */
export interface DevicePass {
  readonly result: DeviceResult;
  readonly next: CarriedRows | undefined;
}

/**
 * Settings of a session that runs on one execution provider and nowhere else: ONNX Runtime gives nodes that a provider
 * lacks to the CPU without a word, unless it is told to refuse.
 */
function deviceOptions(provider: Provider, weightsPath: string): InferenceSession.SessionOptions {
  return {
    executionProviders: [provider],
    enableMemPattern: false,
    // errors are thrown as well
    logSeverityLevel: 4,
    extra: {
      session: {
        disable_cpu_ep_fallback: '1',
        model_external_initializers_file_folder_path: dirname(weightsPath),
      },
    },
  };
}

/** The whole model on one device, over float32 weights. `run` blocks its thread while the device computes. */
export class DeviceSession {
  readonly #config: ModelConfig;
  readonly #session: InferenceSession;
  readonly #tensor: Runtime['Tensor'];
  readonly #rope: RopeTable;

  private constructor(config: ModelConfig, session: InferenceSession, tensor: Runtime['Tensor']) {
    this.#config = config;
    this.#session = session;
    this.#tensor = tensor;
    this.#rope = new RopeTable(config.headDim, config.ropeTheta);
  }

  /**
   * Throws what the provider says where it cannot be had, or where it cannot compute the whole model.
   * @param more settings beside those that make the device compute
   */
  static async open(
    { config, weights }: ModelFile,
    provider: Provider,
    more: InferenceSession.SessionOptions = {},
  ): Promise<DeviceSession> {
    const { InferenceSession, Tensor } = await loadRuntime();
    const graph = deviceGraph(config, new MappedWeights(weights.tensors, basename(weights.path)));
    const session = await InferenceSession.create(graph, { ...more, ...deviceOptions(provider, weights.path) });
    return new DeviceSession(config, session, Tensor);
  }

  /** @param past what the pass before gave; its memory is given back */
  async run(task: DeviceTask, past: CarriedRows | undefined): Promise<DevicePass> {
    const { layers } = this.#config;
    const pastRows = past?.rows ?? 0;
    if (pastRows !== task.pastRows) throw new RangeError(`the past has ${pastRows} rows; expected ${task.pastRows}`);
    if (past !== undefined && task.rebase !== undefined) this.#turnBack(past, task.rebase);
    const carried = task.carry ? Math.min(pastRows + task.tokens.length, this.#config.window - 1) : 0;
    const all = Array.from({ length: layers }, (_, layer) => layer);
    const outputs = await this.#session.run({ ...this.#feeds(task, carried), ...this.#pastFeeds(past) }, [
      OUTPUT.entropies,
      OUTPUT.norms,
      ...(task.preNorm ? [OUTPUT.preNorm] : []),
      ...(task.logits ? [OUTPUT.logits] : []),
      ...(carried === 0 ? [] : all.flatMap((layer) => [OUTPUT.nextKeys(layer), OUTPUT.nextValues(layer)])),
    ]);
    if (past !== undefined) release(past);
    const tensors = (name: (layer: number) => string) => all.map((layer) => tensorOf(outputs, name(layer)));
    return {
      result: {
        entropies: floats(outputs, OUTPUT.entropies),
        norms: floats(outputs, OUTPUT.norms),
        ...(task.preNorm ? { preNorm: floats(outputs, OUTPUT.preNorm) } : {}),
        ...(task.logits ? { logits: floats(outputs, OUTPUT.logits) } : {}),
        nextRows: carried,
      },
      next:
        carried === 0
          ? undefined
          : { rows: carried, keys: tensors(OUTPUT.nextKeys), values: tensors(OUTPUT.nextValues) },
    };
  }

  async close(): Promise<void> {
    await this.#session.release();
  }

  #feeds({ tokens, position, pastRows, firstRows }: DeviceTask, carried: number): Feeds {
    const { headDim, window } = this.#config;
    const count = tokens.length;
    const { cos, sin } = this.#rope.rows(position, count);
    const band = blockedBandOf({ tokens: count, past: pastRows, window, firstRows });
    const { blocks, queriesPerBlock, keysPerBlock } = band;
    const i64 = (value: number) => new this.#tensor('int64', BigInt64Array.of(BigInt(value)), [1]);
    return {
      [INPUT.tokens]: new this.#tensor('int32', tokens, [count]),
      [INPUT.cos]: this.#f32(cos, count, headDim / 2),
      [INPUT.sin]: this.#f32(sin, count, headDim / 2),
      [INPUT.queryRows]: new this.#tensor('int32', band.queryRows, [blocks, queriesPerBlock]),
      [BLOCKED_INPUT.keyRows]: new this.#tensor('int32', band.keyRows, [blocks, keysPerBlock]),
      [BLOCKED_INPUT.mask]: this.#f32(band.mask, band.masks, queriesPerBlock, keysPerBlock),
      [BLOCKED_INPUT.rowCount]: i64(count),
      [INPUT.carryFrom]: i64(pastRows + count - carried),
    };
  }

  #pastFeeds(past: CarriedRows | undefined): Feeds {
    const { layers, kvHeads, headDim } = this.#config;
    const feeds: Feeds = {};
    for (let layer = 0; layer < layers; layer++) {
      const none = () => this.#f32(new Float32Array(0), kvHeads, 0, headDim);
      feeds[INPUT.pastKeys(layer)] = past?.keys[layer] ?? none();
      feeds[INPUT.pastValues(layer)] = past?.values[layer] ?? none();
    }
    return feeds;
  }

  #turnBack({ keys }: CarriedRows, positions: number): void {
    this.#rope.turnBack(
      keys.map((tensor) => floats({ tensor }, 'tensor')),
      positions,
    );
  }

  #f32(data: Float32Array, ...shape: number[]): Tensor {
    return new this.#tensor('float32', data, shape);
  }
}

/** Gives the memory back at once: so few other things are made here that they would be collected late. */
function release({ keys, values }: CarriedRows): void {
  for (const tensor of [...keys, ...values]) floats({ tensor }, 'tensor').buffer.transfer(0);
}

function tensorOf(outputs: Readonly<Record<string, Tensor>>, name: string): Tensor {
  const tensor = outputs[name];
  if (tensor === undefined) throw new TypeError(`ONNX Runtime returned no tensor ${name}.`);
  return tensor;
}
