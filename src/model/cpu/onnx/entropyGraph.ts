import type { ModelConfig } from '../../config.ts';
import { attention, declareAttentionInputs } from './attention.ts';
import { blockedAttention, declareBlockedInputs } from './blockedAttention.ts';
import { ONNX_TYPE, OnnxBuilder } from './builder.ts';
import { type Entropies, entropiesByExp, head } from './head.ts';
import { type Attention, addAndNorm, layer, norm } from './layer.ts';
import type { MappedWeights } from './mappedWeights.ts';
import { INPUT } from './ports.ts';

/** The parts of a graph that depend on where it runs. */
interface GraphParts {
  /** Declares what attention reads. */
  readonly declareInputs: (g: OnnxBuilder, config: ModelConfig) => void;
  readonly attention: Attention;
  readonly entropies?: Entropies;
}

const CPU: GraphParts = { declareInputs: declareAttentionInputs, attention };
const DEVICE: GraphParts = {
  declareInputs: declareBlockedInputs,
  attention: blockedAttention,
  entropies: entropiesByExp,
};

/**
 * Writes the whole entropy model as one ONNX graph whose float32 weights stay in their file. It computes one piece of one
 * document: token rows are never padded except inside attention, and keys of earlier pieces come in through the past.
 */
export function entropyGraph(config: ModelConfig, weights: MappedWeights): Uint8Array {
  return write(config, weights, CPU);
}

/** The same model without control flow, of operators that other execution providers than the CPU have. */
export function deviceGraph(config: ModelConfig, weights: MappedWeights): Uint8Array {
  return write(config, weights, DEVICE);
}

function write(config: ModelConfig, weights: MappedWeights, parts: GraphParts): Uint8Array {
  const g = new OnnxBuilder();
  g.input(INPUT.tokens, ONNX_TYPE.I32, ['T']);
  parts.declareInputs(g, config);
  const embedded = g.op('Gather', [weights.tensor(g, 'tok_embeddings.weight'), INPUT.tokens], { axis: 0 });
  let stream = { normed: norm(g, config, weights, embedded, 'layers.0.attention_norm.weight'), residual: embedded };
  for (let index = 0; index < config.layers; index++) {
    const sum = layer(g, config, weights, index, stream, parts.attention);
    const next = index + 1 < config.layers ? `layers.${index + 1}.attention_norm.weight` : 'norm.weight';
    stream = addAndNorm(g, config, weights, sum, next);
  }
  head(g, config, stream.residual, weights.linear(g, stream.normed, 'output.weight'), parts.entropies);
  return g.finish();
}
