import { InferenceSession, Tensor } from 'onnxruntime-node';
import { ONNX_TYPE, OnnxBuilder } from '../../src/model/cpu/onnx/builder.ts';
import { sessionOptions } from '../../src/model/cpu/session.ts';

const EDGE = 1024;
const CALLS = 8;

/** This machine's own single-precision matrix product, 1024^3: returns what measures its rate in GFLOP/s. */
export async function sgemm(threads: number): Promise<() => Promise<number>> {
  const graph = new OnnxBuilder();
  graph.input('a', ONNX_TYPE.F32, [EDGE, EDGE]);
  graph.input('b', ONNX_TYPE.F32, [EDGE, EDGE]);
  graph.op('MatMul', ['a', 'b'], {}, 'c');
  graph.output('c', ONNX_TYPE.F32, [EDGE, EDGE]);
  const session = await InferenceSession.create(graph.finish(), sessionOptions(threads));
  const values = Float32Array.from({ length: EDGE * EDGE }, (_, i) => Math.sin(i));
  const feeds = { a: new Tensor('float32', values, [EDGE, EDGE]), b: new Tensor('float32', values, [EDGE, EDGE]) };
  return async () => {
    const begun = performance.now();
    for (let call = 0; call < CALLS; call++) await session.run(feeds, ['c']);
    return (CALLS * 2 * EDGE ** 3) / (performance.now() - begun) / 1e6;
  };
}
