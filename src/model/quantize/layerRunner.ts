import type { InferenceSession } from 'onnxruntime-node';
import type { ModelConfig } from '../config.ts';
import { ONNX_TYPE, type OnnxBuilder } from '../cpu/onnx/builder.ts';
import { FedWeights } from '../cpu/onnx/fedWeights.ts';
import { layerGraph } from '../cpu/onnx/layerGraphs.ts';
import { INPUT, OUTPUT } from '../cpu/onnx/ports.ts';
import type { WeightPorts } from '../cpu/onnx/weightPorts.ts';
import { Pass } from '../cpu/pass.ts';
import { type Feeds, floats, loadRuntime, type Runtime, sessionOptions } from '../cpu/session.ts';
import { RopeTable } from '../rope.ts';
import { layerShapes } from '../weights.ts';

/** Float32 tensors of one layer, by their names without the prefix `layers.N.`. */
export type LayerTensors = ReadonlyMap<string, Float32Array>;

/** Some tokens on their way through the layers. */
export interface CalibrationWindow {
  /** i32[T]. */
  readonly tokens: Int32Array<ArrayBuffer>;
  /** f32[T, dim]: the residual stream before the next layer. */
  residual: Float32Array;
}

/** One transformer layer with any weights, whose inputs of linear weights can be seen. */
export class LayerRunner {
  readonly #config: ModelConfig;
  readonly #session: InferenceSession;
  readonly #tensor: Runtime['Tensor'];
  readonly #rope: RopeTable;
  /** The graph's value that each linear weight is multiplied with. */
  readonly #inputs: ReadonlyMap<string, string>;

  private constructor(
    config: ModelConfig,
    session: InferenceSession,
    tensor: Runtime['Tensor'],
    inputs: ReadonlyMap<string, string>,
  ) {
    this.#config = config;
    this.#session = session;
    this.#tensor = tensor;
    this.#inputs = inputs;
    this.#rope = new RopeTable(config.headDim, config.ropeTheta);
  }

  /** @param threads within one pass */
  static async open(config: ModelConfig, threads: number): Promise<LayerRunner> {
    const { InferenceSession, Tensor } = await loadRuntime();
    const weights = new SeenWeights();
    const session = await InferenceSession.create(layerGraph(config, weights), sessionOptions(threads));
    return new LayerRunner(config, session, Tensor, weights.inputs);
  }

  /** The residual stream behind the layer, f32[T, dim]. */
  async residual(window: CalibrationWindow, weights: LayerTensors): Promise<Float32Array> {
    const outputs = await this.#session.run(this.#feeds(window, weights), [OUTPUT.residual]);
    return floats(outputs, OUTPUT.residual);
  }

  /** What the named linear weights are multiplied with, f32[T, in] each. */
  async inputs(window: CalibrationWindow, weights: LayerTensors, names: readonly string[]): Promise<Float32Array[]> {
    const values = names.map((name) => this.#inputs.get(layerZero(name)) ?? '');
    const outputs = await this.#session.run(this.#feeds(window, weights), values);
    return values.map((value) => floats(outputs, value));
  }

  async close(): Promise<void> {
    await this.#session.release();
  }

  #feeds({ tokens, residual }: CalibrationWindow, weights: LayerTensors): Feeds {
    const task = { tokens, position: 0, carry: false, preNorm: false, logits: false };
    const pass = new Pass(task, this.#config, this.#rope, this.#tensor);
    const feeds: Feeds = { ...pass.attentionFeeds(), ...pass.pastFeeds(0) };
    feeds[INPUT.residual] = new this.#tensor('float32', residual, [tokens.length, this.#config.dim]);
    for (const [name, shape] of layerShapes(this.#config)) {
      const values = weights.get(name);
      if (values === undefined) throw new RangeError(`The layer needs ${name}.`);
      feeds[layerZero(name)] = new this.#tensor('float32', values, shape);
    }
    return feeds;
  }
}

/** The graph has the names of layer 0, whichever layer it computes. */
const layerZero = (name: string): string => `layers.0.${name}`;

/** Weights that come in with every run; what they are multiplied with goes out. */
class SeenWeights implements WeightPorts {
  readonly inputs = new Map<string, string>();
  readonly #fed = new FedWeights();

  vector(g: OnnxBuilder, name: string): string {
    return this.#fed.vector(g, name);
  }

  linear(g: OnnxBuilder, x: string, name: string): string {
    if (![...this.inputs.values()].includes(x)) g.output(x, ONNX_TYPE.F32, ['T', `${name}:in`]);
    this.inputs.set(name, x);
    return this.#fed.linear(g, x, name);
  }
}
