import type { ModelConfig } from '../../config.ts';
import { ONNX_TYPE, type OnnxBuilder } from './builder.ts';
import { OUTPUT } from './ports.ts';

/** Turns logits f32[T, vocabulary] into the output `entropies`. */
export type Entropies = (g: OnnxBuilder, logits: string) => void;

/**
 * Declares what leaves the model, from the last residual stream f32[T, dim] and the logits f32[T, vocabulary]: entropies
 * and norms are one number a token, so that only what a caller asks for is copied out.
 */
export function head(
  g: OnnxBuilder,
  config: ModelConfig,
  residual: string,
  logits: string,
  entropies: Entropies = entropiesByLogSoftmax,
): void {
  g.op('Identity', [logits], {}, OUTPUT.logits);
  g.op('Identity', [residual], {}, OUTPUT.preNorm);
  g.op('ReduceL2', [residual, g.ints(-1)], { keepdims: 0 }, OUTPUT.norms);
  entropies(g, logits);
  g.output(OUTPUT.entropies, ONNX_TYPE.F32, ['T']);
  g.output(OUTPUT.norms, ONNX_TYPE.F32, ['T']);
  g.output(OUTPUT.preNorm, ONNX_TYPE.F32, ['T', config.dim]);
  g.output(OUTPUT.logits, ONNX_TYPE.F32, ['T', config.vocabSize]);
}

function entropiesByLogSoftmax(g: OnnxBuilder, logits: string): void {
  const logProbabilities = g.op('LogSoftmax', [logits], { axis: -1 });
  const terms = g.op('Mul', [g.op('Exp', [logProbabilities]), logProbabilities]);
  g.op('Neg', [g.op('ReduceSum', [terms, g.ints(-1)], { keepdims: 0 })], {}, OUTPUT.entropies);
}

/** log(sum e^z) - sum(z e^z) / sum e^z, with z the logits less their largest: for devices without LogSoftmax. */
export function entropiesByExp(g: OnnxBuilder, logits: string): void {
  const sum = (x: string) => g.op('ReduceSum', [x, g.ints(-1)], { keepdims: 0 });
  const z = g.op('Sub', [logits, g.op('ReduceMax', [logits, g.ints(-1)], { keepdims: 1 })]);
  const powers = g.op('Exp', [z]);
  const total = sum(powers);
  g.op('Sub', [g.op('Log', [total]), g.op('Div', [sum(g.op('Mul', [z, powers])), total])], {}, OUTPUT.entropies);
}
