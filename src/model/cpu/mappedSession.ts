import { basename, dirname } from 'node:path';
import type { InferenceSession } from 'onnxruntime-node';
import { requireStamp } from '../fileStamp.ts';
import type { ModelFile } from '../modelFile.ts';
import { RopeTable } from '../rope.ts';
import type { ForwardOutcome, ForwardTask } from './forward.ts';
import { entropyGraph } from './onnx/entropyGraph.ts';
import { MappedWeights } from './onnx/mappedWeights.ts';
import { Pass } from './pass.ts';
import { type ForwardSession, failure, loadRuntime, type Runtime, sessionOptions } from './session.ts';

/** Up to here prepacked copies of the weights are worth their memory: they make short documents faster. */
const PREPACK_BYTES = 64 << 20;

/** The whole model as one graph over float32 weights that stay mapped from their file: sessions of one machine share them. */
export class MappedSession implements ForwardSession {
  readonly #model: ModelFile;
  readonly #session: InferenceSession;
  readonly #tensor: Runtime['Tensor'];
  readonly #rope: RopeTable;

  private constructor(model: ModelFile, session: InferenceSession, tensor: Runtime['Tensor']) {
    this.#model = model;
    this.#session = session;
    this.#tensor = tensor;
    this.#rope = new RopeTable(model.config.headDim, model.config.ropeTheta);
  }

  /** @param threads within one pass */
  static async open(model: ModelFile, threads = 1): Promise<MappedSession> {
    const { InferenceSession, Tensor } = await loadRuntime();
    const { config, weights } = model;
    requireStamp(weights.path, weights.stamp);
    const graph = entropyGraph(config, new MappedWeights(weights.tensors, basename(weights.path)));
    const session = await InferenceSession.create(
      graph,
      sessionOptions(threads, {
        model_external_initializers_file_folder_path: dirname(weights.path),
        disable_prepacking: weights.floatBytes > PREPACK_BYTES ? '1' : '0',
      }),
    );
    return new MappedSession(model, session, Tensor);
  }

  async run(tasks: readonly ForwardTask[]): Promise<ForwardOutcome[]> {
    const { path, stamp } = this.#model.weights;
    requireStamp(path, stamp);
    const outcomes: ForwardOutcome[] = [];
    for (const task of tasks) outcomes.push(await this.#compute(task).catch(failure));
    return outcomes;
  }

  async close(): Promise<void> {
    await this.#session.release();
  }

  async #compute(task: ForwardTask): Promise<ForwardOutcome> {
    const pass = new Pass(task, this.#model.config, this.#rope, this.#tensor);
    const layers = Array.from({ length: this.#model.config.layers }, (_, layer) => layer);
    const outputs = await this.#session.run(
      Object.assign(pass.tokenFeeds(), pass.attentionFeeds(), ...layers.map((layer) => pass.pastFeeds(layer))),
      [...pass.headNames(), ...layers.flatMap((layer) => pass.nextNames(layer))],
    );
    for (const layer of layers) pass.takeNext(outputs, layer);
    return { result: pass.result(outputs) };
  }
}
