import type { ModelConfig } from '../config.ts';
import { RopeTable } from '../rope.ts';
import { layerFeeds } from './layers/layerFeeds.ts';
import { type LayerForm, layerLayout } from './layers/layerForm.ts';
import { FedInt8Weights } from './onnx/fedInt8Weights.ts';
import { FedWeights } from './onnx/fedWeights.ts';
import { layerGraph } from './onnx/layerGraphs.ts';
import { INPUT, OUTPUT } from './onnx/ports.ts';
import { Pass } from './pass.ts';
import { loadRuntime, sessionOptions } from './session.ts';

const TOKENS = 512;
const ROUNDS = 7;

/**
 * A worker's task: how many times faster one layer of a model is with 7-bit integer weights than with float32, on this
 * machine, one thread, the best of some rounds taken in turns.
 */
export default async function probe({ config }: { readonly config: ModelConfig }): Promise<number> {
  const [plain, quantized] = [await layerRun(config, 'f32'), await layerRun(config, 'int8')];
  let [slow, fast] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (let round = 0; round < ROUNDS; round++) {
    slow = Math.min(slow, await milliseconds(plain));
    fast = Math.min(fast, await milliseconds(quantized));
  }
  return slow / fast;
}

async function layerRun(config: ModelConfig, form: LayerForm): Promise<() => Promise<unknown>> {
  const { InferenceSession, Tensor } = await loadRuntime();
  const layout = layerLayout(config, form);
  const graph = layerGraph(config, form === 'int8' ? new FedInt8Weights() : new FedWeights());
  const session = await InferenceSession.create(graph, sessionOptions(1));
  const task = { tokens: new Int32Array(TOKENS), position: 0, carry: false, preNorm: false, logits: false };
  const pass = new Pass(task, config, new RopeTable(config.headDim, config.ropeTheta), Tensor);
  const rows = Float32Array.from({ length: TOKENS * config.dim }, (_, i) => Math.sin(i));
  const feeds = {
    ...pass.attentionFeeds(),
    ...pass.pastFeeds(0),
    ...layerFeeds(layout, new ArrayBuffer(layout.bytes), 0, Tensor),
    [INPUT.residual]: new Tensor('float32', rows, [TOKENS, config.dim]),
  };
  return () => session.run(feeds, [OUTPUT.residual]);
}

async function milliseconds(run: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await run();
  return performance.now() - begun;
}
