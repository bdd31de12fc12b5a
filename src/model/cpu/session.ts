import type { InferenceSession, Tensor } from 'onnxruntime-node';
import { ModelError, SluiceError } from '../../errors.ts';
import type { ForwardOutcome, ForwardTask, PassFailure } from './forward.ts';
import { ONNX_TYPE, OnnxBuilder } from './onnx/builder.ts';

export type Runtime = typeof import('onnxruntime-node');
export type Feeds = Record<string, Tensor>;

/** The model on one worker. `run` blocks its thread while it computes. */
export interface ForwardSession {
  /** Computes passes of different documents; one that fails does not touch the others. */
  run(tasks: readonly ForwardTask[]): Promise<ForwardOutcome[]>;
  close(): Promise<void>;
}

/** Settings that every graph of the CPU runs with. */
export function sessionOptions(
  threads: number,
  session: Readonly<Record<string, unknown>> = {},
): InferenceSession.SessionOptions {
  return {
    executionProviders: ['cpu'],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    // documents differ in length, and a plan for every length would be kept
    enableMemPattern: false,
    logSeverityLevel: 3,
    extra: { session: { ...session, intra_op: { allow_spinning: '0' } } },
  };
}

export function floats(outputs: Readonly<Record<string, Tensor>>, name: string): Float32Array<ArrayBuffer> {
  const data = outputs[name]?.data;
  if (data instanceof Float32Array && data.buffer instanceof ArrayBuffer) return data as Float32Array<ArrayBuffer>;
  throw new TypeError(`ONNX Runtime returned no float32 tensor ${name}.`);
}

/** What is left of an error when it crosses a thread boundary. */
export function failure(error: unknown): { readonly failure: PassFailure } {
  if (error instanceof SluiceError) {
    const { code, message, hint, path, position } = error;
    return { failure: { code, message, hint, path, position } };
  }
  return { failure: { message: error instanceof Error ? error.message : String(error) } };
}

/**
 * ONNX Runtime reports to its makers who runs what, unless its environment says otherwise. A thread other than the main one
 * has an environment of its own that native code does not see: to be called in the main thread first.
 */
export function silenceRuntime(): void {
  process.env['ORT_DISABLE_TELEMETRY'] ??= '1';
}

export async function loadRuntime(): Promise<Runtime> {
  silenceRuntime();
  try {
    loaded ??= withOwnMemory(await import('onnxruntime-node'));
    return await loaded;
  } catch (cause) {
    throw new ModelError('The entropy model needs the optional package onnxruntime-node.', {
      code: 'ONNXRUNTIME_MISSING',
      cause,
      hint: 'npm install onnxruntime-node',
    });
  }
}

let loaded: Promise<Runtime> | undefined;

/**
 * Native code of older versions of Node cannot look into memory that threads share: there, inputs are copied out of it. Node
 * 24 can, and copies nothing.
 */
export async function withOwnMemory(runtime: Runtime): Promise<Runtime> {
  if (await takesSharedMemory(runtime)) return runtime;
  const Tensor = new Proxy(runtime.Tensor, {
    construct: (target, [type, data, ...rest]: unknown[]) => Reflect.construct(target, [type, unshared(data), ...rest]),
  });
  return { ...runtime, Tensor };
}

function unshared(data: unknown): unknown {
  const isShared = ArrayBuffer.isView(data) && data.buffer instanceof SharedArrayBuffer;
  return isShared && (data instanceof Float32Array || data instanceof Int8Array) ? data.slice() : data;
}

async function takesSharedMemory({ InferenceSession, Tensor }: Runtime): Promise<boolean> {
  const g = new OnnxBuilder();
  g.op('Identity', [g.input('x', ONNX_TYPE.F32, ['n'])], {}, 'y');
  g.output('y', ONNX_TYPE.F32, ['n']);
  const session = await InferenceSession.create(g.finish(), sessionOptions(1));
  try {
    await session.run({ x: new Tensor('float32', new Float32Array(new SharedArrayBuffer(4)), [1]) });
    return true;
  } catch {
    return false;
  } finally {
    await session.release();
  }
}
