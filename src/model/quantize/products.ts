import type { InferenceSession } from 'onnxruntime-node';
import { ONNX_TYPE, OnnxBuilder } from '../cpu/onnx/builder.ts';
import { loadRuntime, type Runtime, sessionOptions } from '../cpu/session.ts';

/** What is kept of the inputs x of a linear weight: sums over all tokens that were seen, in double precision. */
export interface Gram {
  readonly inputs: number;
  tokens: number;
  /** f64[in, in]: of `x x^T`. */
  readonly products: Float64Array;
  /** f64[in]: of `|x|`. */
  readonly magnitudes: Float64Array;
}

export const emptyGram = (inputs: number): Gram => ({
  inputs,
  tokens: 0,
  products: new Float64Array(inputs * inputs),
  magnitudes: new Float64Array(inputs),
});

/** The large products of calibration, in double precision, where ONNX Runtime computes them faster than loops would. */
export class Products {
  readonly #gram: InferenceSession;
  readonly #quadratic: InferenceSession;
  readonly #tensor: Runtime['Tensor'];

  readonly #signal: AbortSignal | undefined;

  private constructor(
    gram: InferenceSession,
    quadratic: InferenceSession,
    tensor: Runtime['Tensor'],
    signal: AbortSignal | undefined,
  ) {
    this.#gram = gram;
    this.#quadratic = quadratic;
    this.#tensor = tensor;
    this.#signal = signal;
  }

  /**
   * @param threads within one product
   * @param signal ends the next product with its reason
   */
  static async open(threads: number, signal?: AbortSignal): Promise<Products> {
    const { InferenceSession, Tensor } = await loadRuntime();
    const options = sessionOptions(threads);
    const gram = await InferenceSession.create(gramGraph(), options);
    return new Products(gram, await InferenceSession.create(quadraticGraph(), options), Tensor, signal);
  }

  /** Adds inputs f32[T, in] to what was seen. */
  async add(gram: Gram, x: Float32Array): Promise<void> {
    const tokens = x.length / gram.inputs;
    const outputs = await this.#gram.run({ x: new this.#tensor('float32', x, [tokens, gram.inputs]) });
    sumInto(gram.products, doubles(outputs['products']?.data));
    sumInto(gram.magnitudes, doubles(outputs['magnitudes']?.data));
    gram.tokens += tokens;
  }

  /** f64[out]: `d^T H d` of every row d of f64[out, in], with H the products. */
  async quadratic(rows: Float64Array, { inputs, products }: Gram): Promise<Float64Array> {
    this.#signal?.throwIfAborted();
    const outputs = await this.#quadratic.run({
      d: new this.#tensor('float64', rows, [rows.length / inputs, inputs]),
      h: new this.#tensor('float64', products, [inputs, inputs]),
    });
    return doubles(outputs['sums']?.data);
  }

  async close(): Promise<void> {
    await Promise.all([this.#gram.release(), this.#quadratic.release()]);
  }
}

function gramGraph(): Uint8Array {
  const g = new OnnxBuilder();
  const x = g.op('Cast', [g.input('x', ONNX_TYPE.F32, ['T', 'n'])], { to: ONNX_TYPE.F64 });
  g.op('MatMul', [g.op('Transpose', [x], { perm: [1, 0] }), x], {}, 'products');
  g.op('ReduceSum', [g.op('Abs', [x]), g.ints(0)], { keepdims: 0 }, 'magnitudes');
  g.output('products', ONNX_TYPE.F64, ['n', 'n']);
  g.output('magnitudes', ONNX_TYPE.F64, ['n']);
  return g.finish();
}

function quadraticGraph(): Uint8Array {
  const g = new OnnxBuilder();
  const d = g.input('d', ONNX_TYPE.F64, ['o', 'n']);
  const h = g.input('h', ONNX_TYPE.F64, ['n', 'n']);
  g.op('ReduceSum', [g.op('Mul', [g.op('MatMul', [d, h]), d]), g.ints(1)], { keepdims: 0 }, 'sums');
  g.output('sums', ONNX_TYPE.F64, ['o']);
  return g.finish();
}

function doubles(data: unknown): Float64Array {
  if (data instanceof Float64Array) return data;
  throw new TypeError('ONNX Runtime returned no float64 tensor.');
}

function sumInto(target: Float64Array, values: Float64Array): void {
  for (let i = 0; i < target.length; i++) target[i] = (target[i] ?? 0) + (values[i] ?? 0);
}
