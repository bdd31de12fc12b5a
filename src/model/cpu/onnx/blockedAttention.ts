import type { ModelConfig } from '../../config.ts';
import { byHead, type Projections, rotate, withPast } from './attention.ts';
import { ONNX_TYPE, type OnnxBuilder } from './builder.ts';
import { INPUT, OUTPUT } from './ports.ts';

/** Inputs that only {@link blockedAttention} reads: B blocks of Q queries that look at K keys each. */
export const BLOCKED_INPUT = {
  /** i32[B, K]: rows among the P + T keys. */
  keyRows: 'key_rows',
  /** f32[B or 1, Q, K], added to the scores: 0 or a large negative number. */
  mask: 'block_mask',
  /** i64[1]: T. */
  rowCount: 'row_count',
} as const;

/** Declares the inputs that {@link blockedAttention} reads, besides the past of its layer. */
export function declareBlockedInputs(g: OnnxBuilder, { headDim }: ModelConfig): void {
  g.input(INPUT.cos, ONNX_TYPE.F32, ['T', headDim / 2]);
  g.input(INPUT.sin, ONNX_TYPE.F32, ['T', headDim / 2]);
  g.input(INPUT.queryRows, ONNX_TYPE.I32, ['B', 'Q']);
  g.input(BLOCKED_INPUT.keyRows, ONNX_TYPE.I32, ['B', 'K']);
  g.input(BLOCKED_INPUT.mask, ONNX_TYPE.F32, ['M', 'Q', 'K']);
  g.input(BLOCKED_INPUT.rowCount, ONNX_TYPE.I64, [1]);
  g.input(INPUT.carryFrom, ONNX_TYPE.I64, [1]);
}

/**
 * Sliding-window attention of one layer for devices that compute wide: all blocks of queries at once, each with a copy of
 * its keys. Only operators that devices have: no loop, and no shape that is found out on the way. MultiHeadAttention is
 * left alone on purpose: with a mask it gives wrong numbers on the WebGPU provider (ONNX Runtime 1.30).
 *
 * Returns f32[T, H * d] and declares the layer's past and next.
 */
export function blockedAttention(g: OnnxBuilder, config: ModelConfig, layer: number, given: Projections): string {
  const { heads, kvHeads, headDim } = config;
  const carried = (name: string) => g.input(name, ONNX_TYPE.F32, [kvHeads, 'P', headDim]);
  const queries = rotate(g, given.queries, heads);
  const ownKeys = byHead(g, rotate(g, given.keys, kvHeads), config);
  const keys = withPast(g, carried(INPUT.pastKeys(layer)), ownKeys, OUTPUT.nextKeys(layer));
  const ownValues = byHead(g, given.values, config);
  const values = withPast(g, carried(INPUT.pastValues(layer)), ownValues, OUTPUT.nextValues(layer));
  for (const name of [OUTPUT.nextKeys(layer), OUTPUT.nextValues(layer)]) {
    g.output(name, ONNX_TYPE.F32, [kvHeads, 'next_P', headDim]);
  }
  // [G, group, B, Q, d] against [G, 1, B, K, d]: the heads of a group share keys without copies of them
  const split = g.op('Reshape', [queries, g.ints(-1, kvHeads, heads / kvHeads, headDim)]);
  const blocks = g.op('Gather', [split, INPUT.queryRows], { axis: 0 });
  const scaled = g.op('Mul', [g.op('Transpose', [blocks], { perm: [2, 3, 0, 1, 4] }), g.float(1 / Math.sqrt(headDim))]);
  const ofBlocks = (all: string) =>
    g.op('Unsqueeze', [g.op('Gather', [all, BLOCKED_INPUT.keyRows], { axis: 1 }), g.ints(1)]);
  const scores = g.op('MatMul', [scaled, g.op('Transpose', [ofBlocks(keys)], { perm: [0, 1, 2, 4, 3] })]);
  const weights = g.op('Softmax', [g.op('Add', [scores, BLOCKED_INPUT.mask])], { axis: -1 });
  const mixed = g.op('MatMul', [weights, ofBlocks(values)]);
  const byRow = g.op('Transpose', [mixed], { perm: [2, 3, 0, 1, 4] });
  const flat = g.op('Reshape', [byRow, g.ints(-1, heads * headDim)]);
  return g.op('Slice', [flat, g.ints(0), BLOCKED_INPUT.rowCount, g.ints(0)]);
}
