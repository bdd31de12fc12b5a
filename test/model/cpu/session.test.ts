import * as ort from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { ONNX_TYPE, OnnxBuilder } from '../../../src/model/cpu/onnx/builder.ts';
import { type Runtime, withOwnMemory } from '../../../src/model/cpu/session.ts';

/** The runtime as it is under Node 22: its native part refuses memory that threads share. */
const strict = {
  ...ort,
  InferenceSession: {
    async create(graph: Uint8Array) {
      const session = await ort.InferenceSession.create(graph);
      return {
        run(feeds: Record<string, ort.Tensor>) {
          for (const { data } of Object.values(feeds)) {
            if (ArrayBuffer.isView(data) && data.buffer instanceof SharedArrayBuffer)
              throw new Error('Invalid argument');
          }
          return session.run(feeds);
        },
        release: () => session.release(),
      };
    },
  },
} as unknown as Runtime;

function doubled(): Uint8Array {
  const g = new OnnxBuilder();
  const x = g.input('x', ONNX_TYPE.F32, ['n']);
  g.op('Add', [x, x], {}, 'y');
  g.output('y', ONNX_TYPE.F32, ['n']);
  return g.finish();
}

async function twice(runtime: Runtime, data: Float32Array): Promise<unknown> {
  const session = await runtime.InferenceSession.create(doubled());
  try {
    const { y } = await session.run({ x: new runtime.Tensor('float32', data, [data.length]) });
    return y?.data;
  } finally {
    await session.release();
  }
}

describe('the runtime', () => {
  const shared = new Float32Array(new SharedArrayBuffer(16), 4, 2);
  shared.set([3, 5]);

  it('is given copies of shared memory where it cannot look into it', async () => {
    await expect(twice(strict, shared)).rejects.toThrow('Invalid argument');
    const runtime = await withOwnMemory(strict);
    expect(await twice(runtime, shared)).toEqual(Float32Array.of(6, 10));
    const own = Float32Array.of(1, 2);
    expect(new runtime.Tensor('float32', own, [2]).data).toBe(own);
    expect(new runtime.Tensor('float32', own, [2])).toBeInstanceOf(ort.Tensor);
  });

  it('is given shared memory itself where it can', async () => {
    const runtime = await withOwnMemory(ort);
    const canShare = await twice(ort, shared).then(
      () => true,
      () => false,
    );
    expect(runtime === ort).toBe(canShare);
    expect(await twice(runtime, shared)).toEqual(Float32Array.of(6, 10));
  });
});
