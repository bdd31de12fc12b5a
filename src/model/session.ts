import { basename, dirname } from 'node:path';
import type { InferenceSession, Tensor } from 'onnxruntime-node';
import { ModelError } from '../errors.ts';
import { bandOf } from './bands.ts';
import { type ModelConfig, readConfig } from './config.ts';
import type { ForwardResult, ForwardTask } from './forward.ts';
import { entropyGraph, INPUT, OUTPUT } from './onnx/entropyGraph.ts';
import { RopeTable } from './rope.ts';
import { readWeights } from './weights.ts';

/** Up to here prepacked copies of the weights are worth their memory: they make short documents faster. */
const PREPACK_BYTES = 64 << 20;

type Runtime = typeof import('onnxruntime-node');

/**
 * The model on one thread, through ONNX Runtime. `run` blocks the thread while it computes, so sessions live in workers.
 * Large float32 weights stay mapped from their file: sessions of one machine share them.
 */
export class ForwardSession {
  readonly config: ModelConfig;
  readonly #session: InferenceSession;
  readonly #tensor: Runtime['Tensor'];
  readonly #rope: RopeTable;

  private constructor(config: ModelConfig, session: InferenceSession, tensor: Runtime['Tensor']) {
    this.config = config;
    this.#session = session;
    this.#tensor = tensor;
    this.#rope = new RopeTable(config.headDim, config.ropeTheta);
  }

  /** Opens a model folder. Throws ModelError. */
  static async open(dir: string): Promise<ForwardSession> {
    const config = readConfig(dir);
    const weights = await readWeights(dir, config);
    const { InferenceSession, Tensor } = await loadRuntime();
    const graph = entropyGraph(config, weights.tensors, { location: basename(weights.path) });
    const session = await InferenceSession.create(graph, {
      executionProviders: ['cpu'],
      intraOpNumThreads: 1,
      interOpNumThreads: 1,
      // documents differ in length, and a plan for every length would be kept
      enableMemPattern: false,
      logSeverityLevel: 3,
      extra: {
        session: {
          model_external_initializers_file_folder_path: dirname(weights.path),
          disable_prepacking: weights.floatBytes > PREPACK_BYTES ? '1' : '0',
        },
      },
    });
    return new ForwardSession(config, session, Tensor);
  }

  /** Computes one piece of a document. */
  async run(task: ForwardTask): Promise<ForwardResult> {
    const { layers, kvHeads, headDim, window } = this.config;
    const tokens = task.tokens.length;
    const past = task.past?.rows ?? 0;
    const pastData = task.past?.data ?? new Float32Array(0);
    if (task.rebase !== undefined) this.#rope.turnBack(keysOf(pastData, layers), task.rebase);
    const { cos, sin } = this.#rope.rows(task.position, tokens);
    const band = bandOf({ tokens, past, window, firstRows: task.firstRows });
    const rows = past + tokens;
    const carried = task.carry ? Math.min(rows, window - 1) : 0;
    const f32 = (data: Float32Array, ...shape: number[]) => new this.#tensor('float32', data, shape);
    const i32 = (data: Int32Array, ...shape: number[]) => new this.#tensor('int32', data, shape);
    const wanted: string[] = [OUTPUT.entropies, OUTPUT.norms];
    if (task.preNorm) wanted.push(OUTPUT.preNorm);
    if (task.logits) wanted.push(OUTPUT.logits);
    if (carried > 0) wanted.push(OUTPUT.next);
    const outputs = await this.#session.run(
      {
        [INPUT.tokens]: i32(task.tokens, tokens),
        [INPUT.cos]: f32(cos, tokens, headDim / 2),
        [INPUT.sin]: f32(sin, tokens, headDim / 2),
        [INPUT.past]: f32(pastData, 2 * layers, kvHeads, past, headDim),
        [INPUT.queryRows]: i32(band.queryRows, band.blocks, band.queriesPerBlock),
        [INPUT.keyRows]: i32(band.keyRows, band.blocks, band.keysPerBlock),
        [INPUT.mask]: f32(band.mask, band.maskBlocks, band.queriesPerBlock, band.keysPerBlock),
        [INPUT.carryFrom]: new this.#tensor('int64', BigInt64Array.of(BigInt(rows - carried)), [1]),
      },
      wanted,
    );
    return {
      entropies: floats(outputs, OUTPUT.entropies),
      norms: floats(outputs, OUTPUT.norms),
      ...(task.preNorm ? { preNorm: floats(outputs, OUTPUT.preNorm) } : {}),
      ...(task.logits ? { logits: floats(outputs, OUTPUT.logits) } : {}),
      ...(carried > 0 ? { next: { rows: carried, data: floats(outputs, OUTPUT.next) } } : {}),
    };
  }

  async close(): Promise<void> {
    await this.#session.release();
  }
}

/** The key halves of carried keys and values, layer by layer. */
function* keysOf(data: Float32Array, layers: number): Iterable<Float32Array> {
  const size = data.length / (2 * layers);
  for (let layer = 0; layer < layers; layer++) yield data.subarray(2 * layer * size, (2 * layer + 1) * size);
}

function floats(outputs: Readonly<Record<string, Tensor>>, name: string): Float32Array<ArrayBuffer> {
  const data = outputs[name]?.data;
  if (data instanceof Float32Array && data.buffer instanceof ArrayBuffer) return data as Float32Array<ArrayBuffer>;
  throw new TypeError(`ONNX Runtime returned no float32 tensor ${name}.`);
}

async function loadRuntime(): Promise<Runtime> {
  try {
    return await import('onnxruntime-node');
  } catch (cause) {
    throw new ModelError('The entropy model needs the optional package onnxruntime-node.', {
      code: 'ONNXRUNTIME_MISSING',
      cause,
      hint: 'npm install onnxruntime-node',
    });
  }
}
