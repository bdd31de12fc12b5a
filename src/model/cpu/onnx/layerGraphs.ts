import type { ModelConfig } from '../../config.ts';
import { declareAttentionInputs } from './attention.ts';
import { ONNX_TYPE, OnnxBuilder } from './builder.ts';
import { head } from './head.ts';
import { layer, norm } from './layer.ts';
import { INPUT, OUTPUT } from './ports.ts';
import type { WeightPorts } from './weightPorts.ts';

/**
 * Writes one transformer layer as an ONNX graph from residual stream to residual stream. Its weights come in with every
 * run under the names of layer 0, so that one graph serves all layers.
 */
export function layerGraph(config: ModelConfig, weights: WeightPorts): Uint8Array {
  const g = new OnnxBuilder();
  const residual = g.input(INPUT.residual, ONNX_TYPE.F32, ['T', config.dim]);
  declareAttentionInputs(g, config);
  const normed = norm(g, config, weights, residual, 'layers.0.attention_norm.weight');
  const sum = layer(g, config, weights, 0, { normed, residual });
  g.op('Add', [sum.residual, sum.delta], {}, OUTPUT.residual);
  g.output(OUTPUT.residual, ONNX_TYPE.F32, ['T', config.dim]);
  return g.finish();
}

/** What follows the last layer, with weights that come in. */
export function headGraph(config: ModelConfig, weights: WeightPorts): Uint8Array {
  const g = new OnnxBuilder();
  const residual = g.input(INPUT.residual, ONNX_TYPE.F32, ['T', config.dim]);
  const normed = norm(g, config, weights, residual, 'norm.weight');
  head(g, config, residual, weights.linear(g, normed, 'output.weight'));
  return g.finish();
}
