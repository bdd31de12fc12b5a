import type { ModelConfig } from '../../config.ts';
import { declareAttentionInputs } from './attention.ts';
import { ONNX_TYPE, OnnxBuilder } from './builder.ts';
import { head } from './head.ts';
import { addAndNorm, layer, norm } from './layer.ts';
import type { MappedWeights } from './mappedWeights.ts';
import { INPUT } from './ports.ts';

/**
 * Writes the whole entropy model as one ONNX graph whose float32 weights stay in their file. It computes one piece of one
 * document: token rows are never padded except inside attention, and keys of earlier pieces come in through the past.
 */
export function entropyGraph(config: ModelConfig, weights: MappedWeights): Uint8Array {
  const g = new OnnxBuilder();
  g.input(INPUT.tokens, ONNX_TYPE.I32, ['T']);
  declareAttentionInputs(g, config);
  const embedded = g.op('Gather', [weights.tensor(g, 'tok_embeddings.weight'), INPUT.tokens], { axis: 0 });
  let stream = { normed: norm(g, config, weights, embedded, 'layers.0.attention_norm.weight'), residual: embedded };
  for (let index = 0; index < config.layers; index++) {
    const sum = layer(g, config, weights, index, stream);
    const next = index + 1 < config.layers ? `layers.${index + 1}.attention_norm.weight` : 'norm.weight';
    stream = addAndNorm(g, config, weights, sum, next);
  }
  head(g, config, stream.residual, weights.linear(g, stream.normed, 'output.weight'));
  return g.finish();
}
