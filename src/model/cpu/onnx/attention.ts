import type { ModelConfig } from '../../config.ts';
import { ONNX_TYPE, type OnnxBuilder } from './builder.ts';
import { INPUT, OUTPUT } from './ports.ts';

/** Declares the inputs that {@link attention} reads, besides the past of its layer. */
export function declareAttentionInputs(g: OnnxBuilder, config: ModelConfig): void {
  const { headDim } = config;
  g.input(INPUT.cos, ONNX_TYPE.F32, ['T', headDim / 2]);
  g.input(INPUT.sin, ONNX_TYPE.F32, ['T', headDim / 2]);
  g.input(INPUT.blocks, ONNX_TYPE.I64, []);
  g.input(INPUT.queryRows, ONNX_TYPE.I32, ['B', 'Q']);
  for (const name of [INPUT.keyStarts, INPUT.keyEnds, INPUT.maskRows, INPUT.maskStarts, INPUT.maskEnds]) {
    g.input(name, ONNX_TYPE.I64, ['B']);
  }
  g.input(INPUT.mask, ONNX_TYPE.F32, ['M', 'Q', 'W']);
  g.input(INPUT.carryFrom, ONNX_TYPE.I64, [1]);
}

/** Projections of T tokens: f32[T, H * d], and f32[T, G * d] each of keys and values. */
export interface Projections {
  readonly queries: string;
  readonly keys: string;
  readonly values: string;
}

/**
 * Sliding-window attention of one layer; returns f32[T, H * d] and declares the layer's past and next.
 *
 * A loop takes one block of queries at a time, with its keys alone: scores of all blocks at once would be written to and
 * read from memory six times, those of one block stay in the processor's cache. At the released width this halves the
 * time of attention.
 */
export function attention(g: OnnxBuilder, config: ModelConfig, layer: number, given: Projections): string {
  const { heads, kvHeads, headDim } = config;
  const group = heads / kvHeads;
  const past = [kvHeads, 'P', headDim] as const;
  const queries = rotate(g, given.queries, heads);
  const keys = withPast(
    g,
    g.input(INPUT.pastKeys(layer), ONNX_TYPE.F32, past),
    byHead(g, rotate(g, given.keys, kvHeads), config),
    OUTPUT.nextKeys(layer),
  );
  const values = withPast(
    g,
    g.input(INPUT.pastValues(layer), ONNX_TYPE.F32, past),
    byHead(g, given.values, config),
    OUTPUT.nextValues(layer),
  );
  for (const name of [OUTPUT.nextKeys(layer), OUTPUT.nextValues(layer)]) {
    g.output(name, ONNX_TYPE.F32, [kvHeads, 'next_P', headDim]);
  }
  const count = after(g, INPUT.blocks, [OUTPUT.nextKeys(layer), OUTPUT.nextValues(layer)]);
  const blocks = g.loop(count, ONNX_TYPE.F32, ['Q', heads * headDim], (block) => {
    const at = g.op('Unsqueeze', [block, g.ints(0)]);
    const item = (table: string, index = at) => g.op('Gather', [table, index], { axis: 0 });
    const rows = g.op('Gather', [queries, item(INPUT.queryRows, block)], { axis: 0 });
    const split = g.op('Reshape', [rows, g.ints(-1, kvHeads, group, headDim)]);
    const q = g.op('Transpose', [split], { perm: [1, 2, 0, 3] });
    // [G, group, Q, d] against [G, 1, K, d]: the heads of a group share keys without copies of them
    const range = [item(INPUT.keyStarts), item(INPUT.keyEnds), g.ints(1)];
    const shared = (all: string) => g.op('Unsqueeze', [g.op('Slice', [all, ...range]), g.ints(1)]);
    const columns = [item(INPUT.maskStarts), item(INPUT.maskEnds), g.ints(1)];
    const mask = g.op('Slice', [item(INPUT.mask, item(INPUT.maskRows, block)), ...columns]);
    const scale = { float: 1 / Math.sqrt(headDim) };
    const scores = g.microsoft('FusedMatMul', [q, shared(keys)], { alpha: scale, transB: 1 });
    const weights = g.op('Softmax', [g.op('Add', [scores, mask])], { axis: -1 });
    const mixed = g.op('MatMul', [weights, shared(values)]);
    const byRow = g.op('Transpose', [mixed], { perm: [2, 0, 1, 3] });
    return g.op('Reshape', [byRow, g.ints(-1, heads * headDim)]);
  });
  const flat = g.op('Reshape', [blocks, g.ints(-1, heads * headDim)]);
  return g.op('Slice', [flat, g.ints(0), g.op('Shape', [given.queries], { start: 0, end: 1 }), g.ints(0)]);
}

/**
 * An i64 scalar that is there only once the given values are. Without it, ONNX Runtime cuts the carried rows out at the
 * very end, and keeps the keys and values of all layers until then.
 */
function after(g: OnnxBuilder, scalar: string, values: readonly string[]): string {
  const nothing = values.map((value) => g.op('Mul', [g.op('Size', [value]), g.int(0)]));
  return nothing.reduce((sum, zero) => g.op('Add', [sum, zero]), scalar);
}

/** Rotates adjacent pairs of [T, heads * d] by the given table rows. */
export function rotate(g: OnnxBuilder, x: string, heads: number): string {
  const batch = g.op('Unsqueeze', [x, g.ints(0)]);
  const rotated = g.microsoft('RotaryEmbedding', [batch, g.ints(0), INPUT.cos, INPUT.sin], {
    interleaved: 1,
    num_heads: heads,
  });
  return g.op('Squeeze', [rotated, g.ints(0)]);
}

/** [T, G * d] to [G, T, d]. */
export function byHead(g: OnnxBuilder, x: string, { kvHeads, headDim }: ModelConfig): string {
  const split = g.op('Reshape', [x, g.ints(-1, kvHeads, headDim)]);
  return g.op('Transpose', [split], { perm: [1, 0, 2] });
}

/** Puts the carried rows in front and hands the last rows on to the next piece. */
export function withPast(g: OnnxBuilder, past: string, rows: string, next: string): string {
  const all = g.op('Concat', [past, rows], { axis: 1 });
  g.op('Slice', [all, INPUT.carryFrom, g.ints(Number.MAX_SAFE_INTEGER), g.ints(1)], {}, next);
  return all;
}
