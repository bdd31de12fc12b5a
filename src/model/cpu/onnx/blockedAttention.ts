import type { ModelConfig } from '../../config.ts';
import { byHead, type Projections, rotate, withPast } from './attention.ts';
import { ONNX_TYPE, type OnnxBuilder } from './builder.ts';
import { INPUT, OUTPUT } from './ports.ts';

export function declareBlockedInputs(g: OnnxBuilder, config: ModelConfig): void {
  const { headDim } = config;
  g.input(INPUT.cos, ONNX_TYPE.F32, ['T', headDim / 2]);
  g.input(INPUT.sin, ONNX_TYPE.F32, ['T', headDim / 2]);
  g.input(INPUT.queryRows, ONNX_TYPE.I32, ['B', 'Q']);
  g.input('key_rows', ONNX_TYPE.I32, ['B', 'K']);
  g.input(INPUT.mask, ONNX_TYPE.F32, ['M', 'Q', 'K']);
  g.input('row_count', ONNX_TYPE.I64, [1]);
  g.input(INPUT.carryFrom, ONNX_TYPE.I64, [1]);
}

export function blockedAttention(g: OnnxBuilder, config: ModelConfig, layer: number, given: Projections): string {
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
  // [T, H, d] -> [B, Q, H, d] -> [H, B, Q, d]
  const split = g.op('Reshape', [queries, g.ints(-1, heads, headDim)]);
  const blocks = g.op('Gather', [split, INPUT.queryRows], { axis: 0 });
  const q = g.op('Reshape', [g.op('Transpose', [blocks], { perm: [2, 0, 1, 3] }), g.ints(kvHeads, group, -1, 1, 1)]);
  void q;
  const qt = g.op('Transpose', [blocks], { perm: [2, 0, 1, 3] });
  const k = g.op('Gather', [keys, 'key_rows'], { axis: 1 });
  const v = g.op('Gather', [values, 'key_rows'], { axis: 1 });
  const scaled = g.op('Mul', [qt, g.float(1 / Math.sqrt(headDim))]);
  const scores = g.op('MatMul', [scaled, g.op('Transpose', [k], { perm: [0, 1, 3, 2] })]);
  const weights = g.op('Softmax', [g.op('Add', [scores, INPUT.mask])], { axis: -1 });
  const mixed = g.op('MatMul', [weights, v]);
  const rows = g.op('Transpose', [mixed], { perm: [1, 2, 0, 3] });
  const flat = g.op('Reshape', [rows, g.ints(-1, heads * headDim)]);
  return g.op('Slice', [flat, g.ints(0), 'row_count', g.ints(0)]);
}
