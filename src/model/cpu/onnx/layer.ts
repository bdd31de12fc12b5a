import type { ModelConfig } from '../../config.ts';
import { attention as loopedAttention, type Projections } from './attention.ts';
import type { OnnxBuilder } from './builder.ts';
import type { WeightPorts } from './weightPorts.ts';

/** What a layer hands on: the residual stream before its last addition, and the addend. f32[T, dim] both. */
export interface Addition {
  readonly residual: string;
  readonly delta: string;
}

/** Writes the attention of one layer: f32[T, H * d], with the layer's past and next declared. */
export type Attention = (g: OnnxBuilder, config: ModelConfig, layer: number, given: Projections) => string;

/** One transformer layer, from its normed input to the addition that the next norm is fused with. */
export function layer(
  g: OnnxBuilder,
  config: ModelConfig,
  weights: WeightPorts,
  index: number,
  input: { readonly normed: string; readonly residual: string },
  attention: Attention = loopedAttention,
): Addition {
  const { normed, residual } = input;
  const name = `layers.${index}`;
  const mixed = attention(g, config, index, {
    queries: weights.linear(g, normed, `${name}.attention.wq.weight`),
    keys: weights.linear(g, normed, `${name}.attention.wk.weight`),
    values: weights.linear(g, normed, `${name}.attention.wv.weight`),
  });
  const attended = weights.linear(g, mixed, `${name}.attention.wo.weight`);
  const middle = addAndNorm(g, config, weights, { residual, delta: attended }, `${name}.ffn_norm.weight`);
  // QuickGelu with alpha 1 is x * sigmoid(x)
  const gate = g.microsoft('QuickGelu', [weights.linear(g, middle.normed, `${name}.feed_forward.w1.weight`)], {
    alpha: { float: 1 },
  });
  const up = weights.linear(g, middle.normed, `${name}.feed_forward.w3.weight`);
  const delta = weights.linear(g, g.op('Mul', [gate, up]), `${name}.feed_forward.w2.weight`);
  return { residual: middle.residual, delta };
}

export function norm(g: OnnxBuilder, config: ModelConfig, weights: WeightPorts, x: string, weight: string): string {
  const attributes = { epsilon: { float: config.normEps }, axis: -1, stash_type: 1 };
  return g.op('SimplifiedLayerNormalization', [x, weights.vector(g, weight)], attributes);
}

/** The sum of an addition, and its norm. */
export function addAndNorm(
  g: OnnxBuilder,
  config: ModelConfig,
  weights: WeightPorts,
  { residual, delta }: Addition,
  weight: string,
): { readonly normed: string; readonly residual: string } {
  const outputs = [`${weight}:norm`, '', '', `${weight}:sum`] as const;
  const inputs = [residual, delta, weights.vector(g, weight)];
  const attributes = { epsilon: { float: config.normEps } };
  g.node('SkipSimplifiedLayerNormalization', 'com.microsoft', inputs, outputs, attributes);
  return { normed: outputs[0], residual: outputs[3] };
}
