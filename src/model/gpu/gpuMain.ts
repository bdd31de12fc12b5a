/**
 * The process of a GPU: a driver that fails takes its process along, and that shall not be the one that holds the data.
 */
import { DeviceError, ModelError } from '../../errors.ts';
import { describeVariant } from '../../gpu/index.ts';
import { unpackedWeights } from '../../kernels/weights/cpu.ts';
import { weightsOf } from '../../kernels/weights/pack.ts';
import { MappedSession } from '../cpu/mappedSession.ts';
import { floatModel, type Rounding } from '../cpu/providers/floatModel.ts';
import { deviceName } from '../devices/device.ts';
import type { Agreement, OpenedDevice, OpenRequest } from '../devices/deviceProtocol.ts';
import { checkDevice } from '../devices/selfCheck.ts';
import { serveDevice } from '../devices/serveDevice.ts';
import { type ModelFile, readModelFile } from '../modelFile.ts';
import { GpuQueue } from './gpuQueue.ts';
import { GpuSession } from './gpuSession.ts';
import type { GpuWeightForm } from './weightForm.ts';

let session: GpuSession | undefined;
let queue: GpuQueue | undefined;

async function open({ path, spec }: OpenRequest): Promise<OpenedDevice> {
  if (spec.kind !== 'webgpu') throw new Error(`this process runs no ${spec.kind}`);
  const name = deviceName(spec);
  const { adapter, weights, memoryBytes, profile } = spec;
  const file = await readModelFile(path);
  const opened = await GpuSession.open(file, { adapter, weights, memoryBytes, profile }).catch((error) => {
    throw unavailable(error, name, path);
  });
  const passes = new GpuQueue(opened);
  const agreement = await agreementOf(passes, file, weights, name);
  await opened.gpu.profile?.reset();
  [session, queue] = [opened, passes];
  const { info, variant } = opened.gpu;
  return {
    agreement,
    identity: [info.vendor, info.architecture, info.name].join(' '),
    description: `${info.name} (${describeVariant(variant)})`,
    batchTokens: opened.batchTokens,
    mostPieceTokens: opened.mostPieceTokens,
  };
}

/** Compares with the CPU, over the weights that the device has, rounded as they are there. */
async function agreementOf(passes: GpuQueue, file: ModelFile, form: GpuWeightForm, name: string): Promise<Agreement> {
  const { model, release } = floatModel(file, form === 'f32' ? undefined : roundedTo(form));
  try {
    const cpu = await MappedSession.open(model);
    const device = {
      run: async (task: Parameters<GpuQueue['pass']>[0]['task']) => ({
        result: await passes.pass({ kind: 'pass', document: -1, priority: 0, task }),
        next: undefined,
      }),
    };
    try {
      return await checkDevice(device, cpu, name);
    } finally {
      await cpu.close();
    }
  } finally {
    release();
  }
}

/** Weights of products are rounded; norms and embeddings are not. */
function roundedTo(form: Exclude<GpuWeightForm, 'f32'>): Rounding {
  return (name, rows, inputs) => {
    if (name.endsWith('norm.weight') || name === 'tok_embeddings.weight') return undefined;
    return Float32Array.from(unpackedWeights(form, weightsOf(form, rows, inputs), inputs));
  };
}

/** A device that cannot be opened is an error of what was asked for; a file that cannot be read, of the file. */
function unavailable(error: unknown, name: string, path: string): unknown {
  if (!(error instanceof DeviceError)) return error;
  const { code, message, hint } = error;
  const kind = code === 'GPU_MEMORY' ? code : 'DEVICE_UNAVAILABLE';
  return new ModelError(`${name} cannot be used: ${message}`, { code: kind, hint, path, cause: error });
}

serveDevice({
  open,
  pass: (request) => {
    if (queue === undefined) throw new Error('the device is not open');
    return queue.pass(request);
  },
  forget: (document) => queue?.forget(document),
  times: async () => {
    if (session === undefined) throw new Error('the device is not open');
    return session.times();
  },
});
