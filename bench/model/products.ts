import { InferenceSession, Tensor } from 'onnxruntime-node';
import { ONNX_TYPE, OnnxBuilder } from '../../src/model/cpu/onnx/builder.ts';

const [ROWS, INPUTS, OUTPUTS] = [512, 768, 2048];
/** Weights that share a scale: larger blocks are faster and less exact. */
const BLOCK = 128;

/** The product of 512 tokens with a feed-forward weight of the released model, in each form of the weight, one thread. */
export async function products(): Promise<Record<'f32' | 'int8' | 'int4', () => Promise<unknown>>> {
  const rows = Float32Array.from({ length: ROWS * INPUTS }, (_, i) => Math.sin(i));
  const integers = Uint8Array.from({ length: ROWS * INPUTS }, (_, i) => i % 251);
  return {
    f32: await product(ONNX_TYPE.F32, rows, (g) => {
      const weight = g.tensor('w', ONNX_TYPE.F32, [OUTPUTS, INPUTS], new Uint8Array(4 * OUTPUTS * INPUTS).fill(61));
      return g.op('Gemm', ['x', weight], { transB: 1 });
    }),
    int8: await product(ONNX_TYPE.U8, integers, (g) => {
      const weight = g.tensor('w', ONNX_TYPE.I8, [INPUTS, OUTPUTS], new Uint8Array(OUTPUTS * INPUTS).fill(61));
      const scales = g.tensor('s', ONNX_TYPE.F32, [OUTPUTS], new Uint8Array(4 * OUTPUTS).fill(61));
      return g.microsoft('MatMulIntegerToFloat', ['x', weight, g.float(1), scales, g.byte(128)]);
    }),
    int4: await product(ONNX_TYPE.F32, rows, (g) => {
      const blocks = INPUTS / BLOCK;
      const shape = [OUTPUTS, blocks, BLOCK / 2];
      const weight = g.tensor('w', ONNX_TYPE.U8, shape, new Uint8Array((OUTPUTS * INPUTS) / 2).fill(61));
      const scales = g.tensor('s', ONNX_TYPE.F32, [OUTPUTS * blocks], new Uint8Array(4 * OUTPUTS * blocks).fill(61));
      const attributes = { K: INPUTS, N: OUTPUTS, bits: 4, block_size: BLOCK, accuracy_level: 4 };
      return g.microsoft('MatMulNBits', ['x', weight, scales], attributes);
    }),
  };
}

async function product(
  type: typeof ONNX_TYPE.F32 | typeof ONNX_TYPE.U8,
  rows: Float32Array | Uint8Array,
  build: (g: OnnxBuilder) => string,
): Promise<() => Promise<unknown>> {
  const g = new OnnxBuilder();
  g.input('x', type, ['T', INPUTS]);
  g.op('Identity', [build(g)], {}, 'y');
  g.output('y', ONNX_TYPE.F32, ['T', OUTPUTS]);
  const session = await InferenceSession.create(g.finish(), { intraOpNumThreads: 1, interOpNumThreads: 1 });
  const shape = [ROWS, INPUTS];
  const x = rows instanceof Float32Array ? new Tensor('float32', rows, shape) : new Tensor('uint8', rows, shape);
  return () => session.run({ x }, ['y']);
}
