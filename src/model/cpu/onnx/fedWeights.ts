import { ONNX_TYPE, type OnnxBuilder } from './builder.ts';
import type { WeightPorts } from './weightPorts.ts';

/** Float32 weights that come in with every run, from memory that threads share: `[out, in]`, under their own names. */
export class FedWeights implements WeightPorts {
  vector(g: OnnxBuilder, name: string): string {
    return g.input(name, ONNX_TYPE.F32, [`${name}:n`]);
  }

  linear(g: OnnxBuilder, x: string, name: string): string {
    const weight = g.input(name, ONNX_TYPE.F32, [`${name}:out`, `${name}:in`]);
    return g.op('Gemm', [x, weight], { transB: 1 });
  }
}
