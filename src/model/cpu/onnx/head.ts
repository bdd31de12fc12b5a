import type { ModelConfig } from '../../config.ts';
import { ONNX_TYPE, type OnnxBuilder } from './builder.ts';
import { OUTPUT } from './ports.ts';

/**
 * Declares what leaves the model, from the last residual stream f32[T, dim] and the logits f32[T, vocabulary]: entropies
 * and norms are one number a token, so that only what a caller asks for is copied out.
 */
export function head(g: OnnxBuilder, config: ModelConfig, residual: string, logits: string): void {
  g.op('Identity', [logits], {}, OUTPUT.logits);
  g.op('Identity', [residual], {}, OUTPUT.preNorm);
  g.op('ReduceL2', [residual, g.ints(-1)], { keepdims: 0 }, OUTPUT.norms);
  const logProbabilities = g.op('LogSoftmax', [logits], { axis: -1 });
  const terms = g.op('Mul', [g.op('Exp', [logProbabilities]), logProbabilities]);
  g.op('Neg', [g.op('ReduceSum', [terms, g.ints(-1)], { keepdims: 0 })], {}, OUTPUT.entropies);
  g.output(OUTPUT.entropies, ONNX_TYPE.F32, ['T']);
  g.output(OUTPUT.norms, ONNX_TYPE.F32, ['T']);
  g.output(OUTPUT.preNorm, ONNX_TYPE.F32, ['T', config.dim]);
  g.output(OUTPUT.logits, ONNX_TYPE.F32, ['T', config.vocabSize]);
}
