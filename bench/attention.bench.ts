import { InferenceSession, Tensor } from 'onnxruntime-node';
import { parseConfig } from 'sluice/model';
import { attention, declareAttentionInputs, rotate } from '../src/model/cpu/onnx/attention.ts';
import { BLOCKED_INPUT, blockedAttention, declareBlockedInputs } from '../src/model/cpu/onnx/blockedAttention.ts';
import { ONNX_TYPE, OnnxBuilder } from '../src/model/cpu/onnx/builder.ts';
import { INPUT } from '../src/model/cpu/onnx/ports.ts';
import { Pass } from '../src/model/cpu/pass.ts';
import { blockedBandOf } from '../src/model/cpu/providers/blockedBand.ts';
import { sessionOptions } from '../src/model/cpu/session.ts';
import { RopeTable } from '../src/model/rope.ts';
import type { Bench } from './harness.ts';
import { RELEASED } from './model/work.ts';

const config = parseConfig({ args: RELEASED });
const WIDTH = config.heads * config.headDim;
const NAMES = { queries: 'q', keys: 'k', values: 'v' };

/**
 * Attention of one layer of the released model over a fresh document, one thread: the loop over blocks of queries that
 * sluice computes, against ONNX Runtime's grouped-query kernel and against all blocks at once.
 */
export default async function attentionForms(bench: Bench): Promise<void> {
  const forms = { loop: await session(loop), kernel: await session(kernel), blocks: await session(blocks) };
  for (const tokens of [64, 128, 256, 512, 1024, 2048]) {
    const feeds = feedsOf(tokens);
    const run = (name: keyof typeof forms) => {
      const own = only(forms[name], name === 'blocks' ? { ...feeds, ...blockFeeds(tokens) } : feeds);
      return async () => {
        await forms[name].run(own, ['out']);
      };
    };
    const measure = { unit: 'kB/s', of: (seconds: number) => tokens / seconds / 1e3 };
    for (const [name, peer] of [
      ['kernel', 'grouped-query kernel'],
      ['blocks', 'all blocks at once'],
    ] as const) {
      const rival = { name: peer, run: run(name) };
      await bench.compare({
        case: `attention, ${tokens} tokens`,
        measure,
        run: run('loop'),
        peer: rival,
        clock: 'wall',
      });
    }
  }
}

async function session(build: (g: OnnxBuilder) => string): Promise<InferenceSession> {
  const g = new OnnxBuilder();
  for (const name of Object.values(NAMES)) g.input(name, ONNX_TYPE.F32, ['T', WIDTH]);
  g.op('Identity', [build(g)], {}, 'out');
  g.output('out', ONNX_TYPE.F32, ['T', WIDTH]);
  return InferenceSession.create(g.finish(), sessionOptions(1));
}

function loop(g: OnnxBuilder): string {
  declareAttentionInputs(g, config);
  return attention(g, config, 0, NAMES);
}

function blocks(g: OnnxBuilder): string {
  declareBlockedInputs(g, config);
  return blockedAttention(g, config, 0, NAMES);
}

function kernel(g: OnnxBuilder): string {
  g.input(INPUT.cos, ONNX_TYPE.F32, ['T', config.headDim / 2]);
  g.input(INPUT.sin, ONNX_TYPE.F32, ['T', config.headDim / 2]);
  g.input('last', ONNX_TYPE.I32, [1]);
  g.input('count', ONNX_TYPE.I32, []);
  const batch = (x: string): string => g.op('Unsqueeze', [x, g.ints(0)]);
  const rotated = (name: string): string => batch(rotate(g, name, config.heads));
  const inputs = [rotated(NAMES.queries), rotated(NAMES.keys), batch(NAMES.values), '', '', 'last', 'count'];
  const attributes = { num_heads: config.heads, kv_num_heads: config.kvHeads, local_window_size: config.window };
  g.node('GroupQueryAttention', 'com.microsoft', inputs, ['mixed', 'all_keys', 'all_values'], attributes);
  return g.op('Squeeze', ['mixed', g.ints(0)]);
}

/** What the loop and the kernel read. */
function feedsOf(tokens: number): Record<string, Tensor> {
  const task = { tokens: new Int32Array(tokens), position: 0, carry: false, preNorm: false, logits: false };
  const pass = new Pass(task, config, new RopeTable(config.headDim, config.ropeTheta), Tensor);
  const rows = Float32Array.from({ length: tokens * WIDTH }, (_, i) => Math.sin(i));
  const projection = new Tensor('float32', rows, [tokens, WIDTH]);
  return {
    ...pass.attentionFeeds(),
    ...pass.pastFeeds(0),
    [NAMES.queries]: projection,
    [NAMES.keys]: projection,
    [NAMES.values]: projection,
    last: new Tensor('int32', Int32Array.of(tokens - 1), [1]),
    count: new Tensor('int32', Int32Array.of(tokens), []),
  };
}

function blockFeeds(tokens: number): Record<string, Tensor> {
  const band = blockedBandOf({ tokens, past: 0, window: config.window });
  const { blocks: count, queriesPerBlock, keysPerBlock, masks } = band;
  return {
    [INPUT.queryRows]: new Tensor('int32', band.queryRows, [count, queriesPerBlock]),
    [BLOCKED_INPUT.keyRows]: new Tensor('int32', band.keyRows, [count, keysPerBlock]),
    [BLOCKED_INPUT.mask]: new Tensor('float32', band.mask, [masks, queriesPerBlock, keysPerBlock]),
    [BLOCKED_INPUT.rowCount]: new Tensor('int64', BigInt64Array.of(BigInt(tokens)), [1]),
  };
}

function only({ inputNames }: InferenceSession, feeds: Record<string, Tensor>): Record<string, Tensor> {
  return Object.fromEntries(inputNames.flatMap((name) => (feeds[name] === undefined ? [] : [[name, feeds[name]]])));
}
