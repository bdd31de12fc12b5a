import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { ModelConfig } from '../src/model/config.ts';
import { defaultModelDir } from '../src/model/cpuBackend.ts';
import type { KeyValues } from '../src/model/forward.ts';
import { ONNX_TYPE, OnnxBuilder } from '../src/model/onnx/builder.ts';
import { ForwardSession } from '../src/model/session.ts';
import { DEFAULT_PIECE_TOKENS } from '../src/model/stream.ts';
import { modelFolder } from '../test/model/modelFolder.ts';
import type { Bench } from './harness.ts';

const ROUNDS = 5;
const EDGE = 1024;

/** The released shape at 2 of its 14 layers: what a full-width model does per layer, in little time. */
const WIDE = {
  attn_bias_type: 'local_block_causal',
  dim: 768,
  n_layers: 2,
  n_heads: 12,
  sliding_window: 512,
  multiple_of: 256,
};

/**
 * Forward speed of the embedded model and of a full-width one in the middle of a long document, against this machine's
 * own matrix product. All are measured in turns, the best of each counts, and time is CPU time of one thread: other
 * programs on the machine disturb all alike.
 */
export default async function model(bench: Bench): Promise<void> {
  const product = await sgemm();
  const cases = await Promise.all([
    piece('embedded model', await ForwardSession.open(defaultModelDir())),
    piece('2 layers, 768 wide, random', await ForwardSession.open(modelFolder(WIDE))),
  ]);
  const best = cases.map(() => Number.POSITIVE_INFINITY);
  let bestProduct = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    bestProduct = Math.min(bestProduct, await cpuSeconds(product));
    for (const [i, { run }] of cases.entries()) {
      best[i] = Math.min(best[i] ?? Number.POSITIVE_INFINITY, await cpuSeconds(run));
    }
  }
  const ceiling = (2 * EDGE ** 3) / bestProduct / 1e9;
  for (const [i, { name, config }] of cases.entries()) {
    const bytes = DEFAULT_PIECE_TOKENS / (best[i] ?? Number.NaN);
    const flops = flopsPerToken(config);
    bench.report({ case: `${name}, 1 thread`, value: bytes / 1e3, unit: 'kB/cpu-s' });
    bench.report({
      case: `${name}, ${(flops / 1e6).toFixed(2)} MFLOP a byte, of a 1024^3 MatMul`,
      value: (bytes * flops) / 1e9,
      unit: 'GFLOP/s',
      ceiling,
    });
  }
}

/** Useful floating-point operations for a byte: matrix products, and attention over the whole window. */
function flopsPerToken(c: ModelConfig): number {
  const queryDim = c.heads * c.headDim;
  const layer = 2 * c.dim * queryDim + 2 * c.dim * c.kvHeads * c.headDim + 3 * c.dim * c.ffnHidden;
  const attention = 2 * queryDim * c.window;
  return 2 * (c.layers * (layer + attention) + c.dim * c.vocabSize);
}

/** A pass in the middle of a document: the window is full. */
async function piece(name: string, session: ForwardSession) {
  const tokens = Int32Array.from({ length: DEFAULT_PIECE_TOKENS }, (_, i) => 4 + ((i * 7919) % 256));
  let past: KeyValues | undefined;
  const run = async (): Promise<void> => {
    const position = past === undefined ? 0 : DEFAULT_PIECE_TOKENS;
    past = (await session.run({ tokens, position, past, carry: true, preNorm: true, logits: false })).next;
  };
  await run();
  return { name, config: session.config, run };
}

async function sgemm(): Promise<() => Promise<void>> {
  const graph = new OnnxBuilder();
  graph.input('a', ONNX_TYPE.F32, [EDGE, EDGE]);
  graph.input('b', ONNX_TYPE.F32, [EDGE, EDGE]);
  graph.op('MatMul', ['a', 'b'], {}, 'c');
  graph.output('c', ONNX_TYPE.F32, [EDGE, EDGE]);
  const session = await InferenceSession.create(graph.finish(), { intraOpNumThreads: 1, interOpNumThreads: 1 });
  const values = Float32Array.from({ length: EDGE * EDGE }, (_, i) => Math.sin(i));
  const feeds = { a: new Tensor('float32', values, [EDGE, EDGE]), b: new Tensor('float32', values, [EDGE, EDGE]) };
  return async () => {
    await session.run(feeds, ['c']);
  };
}

/** CPU seconds of one call, from enough calls to be told apart from the clock. */
async function cpuSeconds(run: () => Promise<void>): Promise<number> {
  let calls = 0;
  const began = process.cpuUsage();
  for (;;) {
    await run();
    calls++;
    const { user, system } = process.cpuUsage(began);
    if (user + system > 400_000) return (user + system) / 1e6 / calls;
  }
}
