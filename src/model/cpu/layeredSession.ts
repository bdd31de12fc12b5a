import type { InferenceSession } from 'onnxruntime-node';
import type { ModelFile } from '../modelFile.ts';
import { RopeTable } from '../rope.ts';
import type { ForwardOutcome, ForwardTask } from './forward.ts';
import { FixedWeights } from './layers/fixedWeights.ts';
import { layerFeeds } from './layers/layerFeeds.ts';
import { LayerLoader } from './layers/layerLoader.ts';
import { LayerCache, type SharedLayers } from './layers/sharedLayers.ts';
import { FedInt8Weights } from './onnx/fedInt8Weights.ts';
import { FedWeights } from './onnx/fedWeights.ts';
import { headGraph, layerGraph } from './onnx/layerGraphs.ts';
import { INPUT, OUTPUT } from './onnx/ports.ts';
import { Pass } from './pass.ts';
import {
  type Feeds,
  type ForwardSession,
  failure,
  floats,
  loadRuntime,
  type Runtime,
  sessionOptions,
} from './session.ts';

interface Running {
  readonly pass: Pass;
  readonly feeds: Feeds;
  residual: Float32Array;
}

/**
 * The model layer by layer, with weights from decoded layers that the workers share: for weights that are not float32 in
 * their file. All passes of a batch go through a layer before the next one is asked for.
 */
export class LayeredSession implements ForwardSession {
  readonly #model: ModelFile;
  readonly #runtime: Runtime;
  readonly #layer: InferenceSession;
  readonly #head: InferenceSession;
  readonly #shared: SharedLayers;
  readonly #loader: LayerLoader;
  readonly #cache: LayerCache;
  readonly #fixed: FixedWeights;
  readonly #rope: RopeTable;

  private constructor(
    model: ModelFile,
    shared: SharedLayers,
    runtime: Runtime,
    sessions: { readonly layer: InferenceSession; readonly head: InferenceSession },
  ) {
    this.#model = model;
    this.#runtime = runtime;
    this.#layer = sessions.layer;
    this.#head = sessions.head;
    this.#shared = shared;
    this.#cache = new LayerCache(shared, (layer, address) => this.#loader.fill(layer, address));
    this.#fixed = new FixedWeights(model);
    this.#loader = new LayerLoader(model, shared);
    this.#rope = new RopeTable(model.config.headDim, model.config.ropeTheta);
  }

  /** @param threads within one pass */
  static async open(model: ModelFile, shared: SharedLayers, threads = 1): Promise<LayeredSession> {
    const runtime = await loadRuntime();
    const options = sessionOptions(threads);
    const linear = shared.form === 'int8' ? new FedInt8Weights() : new FedWeights();
    const [layer, head] = await Promise.all([
      runtime.InferenceSession.create(layerGraph(model.config, linear), options),
      runtime.InferenceSession.create(headGraph(model.config, new FedWeights()), options),
    ]);
    try {
      return new LayeredSession(model, shared, runtime, { layer, head });
    } catch (error) {
      await Promise.all([layer.release(), head.release()]);
      throw error;
    }
  }

  async run(tasks: readonly ForwardTask[]): Promise<ForwardOutcome[]> {
    const outcomes: ForwardOutcome[] = [];
    const running = new Map<number, Running>();
    const guard = async (index: number, step: () => Promise<void> | void): Promise<void> => {
      try {
        await step();
      } catch (error) {
        outcomes[index] = failure(error);
        running.delete(index);
      }
    };
    for (const [index, task] of tasks.entries()) await guard(index, () => void running.set(index, this.#begin(task)));
    const { layers } = this.#model.config;
    for (let layer = 0; layer < layers && running.size > 0; layer++) {
      await this.#cache.with(layer, async (address) => {
        this.#cache.want((layer + 1) % layers);
        const { buffer } = this.#shared.memory;
        const weights = layerFeeds(this.#loader.layout, buffer, address, this.#runtime.Tensor);
        for (const [index, one] of running) await guard(index, () => this.#throughLayer(one, layer, weights));
      });
    }
    for (const [index, one] of running) {
      await guard(index, async () => {
        outcomes[index] = await this.#end(one);
      });
    }
    return outcomes;
  }

  async close(): Promise<void> {
    await Promise.all([this.#layer.release(), this.#head.release()]);
    this.#loader.close();
  }

  #begin(task: ForwardTask): Running {
    const pass = new Pass(task, this.#model.config, this.#rope, this.#runtime.Tensor);
    return { pass, feeds: pass.attentionFeeds(), residual: this.#fixed.embed(task.tokens) };
  }

  async #throughLayer(one: Running, layer: number, weights: Feeds): Promise<void> {
    const { pass, feeds } = one;
    const outputs = await this.#layer.run(
      { ...feeds, ...pass.pastFeeds(layer, 0), ...weights, ...this.#residual(one) },
      [OUTPUT.residual, ...pass.nextNames(0)],
    );
    one.residual = floats(outputs, OUTPUT.residual);
    pass.takeNext(outputs, layer, 0);
  }

  async #end(one: Running): Promise<ForwardOutcome> {
    const { dim, vocabSize } = this.#model.config;
    const outputs = await this.#head.run(
      {
        ...this.#residual(one),
        'norm.weight': this.#f32(this.#fixed.norm, dim),
        'output.weight': this.#f32(this.#fixed.output, vocabSize, dim),
      },
      one.pass.headNames(),
    );
    return { result: one.pass.result(outputs) };
  }

  #residual({ pass, residual }: Running): Feeds {
    return { [INPUT.residual]: this.#f32(residual, pass.tokens, this.#model.config.dim) };
  }

  #f32(data: Float32Array, ...shape: number[]): InstanceType<Runtime['Tensor']> {
    return new this.#runtime.Tensor('float32', data, shape);
  }
}
