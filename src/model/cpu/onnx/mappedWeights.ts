import { ONNX_TYPE, type OnnxBuilder } from './builder.ts';
import type { WeightPorts } from './weightPorts.ts';

/** A float32 tensor within a file beside the graph. */
export interface MappedTensor {
  readonly shape: readonly number[];
  readonly offset: number;
  readonly length: number;
}

/** Float32 weights that stay in their file, which the sessions of a machine map and share. */
export class MappedWeights implements WeightPorts {
  readonly #tensors: ReadonlyMap<string, MappedTensor>;
  readonly #location: string;

  /** @param location name of the file within the folder that the session is told */
  constructor(tensors: ReadonlyMap<string, MappedTensor>, location: string) {
    this.#tensors = tensors;
    this.#location = location;
  }

  vector(g: OnnxBuilder, name: string): string {
    return this.tensor(g, name);
  }

  linear(g: OnnxBuilder, x: string, name: string): string {
    return g.op('Gemm', [x, this.tensor(g, name)], { transB: 1 });
  }

  tensor(g: OnnxBuilder, name: string): string {
    const tensor = this.#tensors.get(name);
    if (tensor === undefined) throw new RangeError(`The graph needs ${name}, which the weights do not hold.`);
    const { shape, offset, length } = tensor;
    return g.external(name, ONNX_TYPE.F32, shape, { location: this.#location, offset, length });
  }
}
