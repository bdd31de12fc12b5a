/**
 * The process of an execution provider: computes passes one by one. A process and not a thread, because native code that
 * is ended midway takes its whole process along, and so does a driver that fails.
 */
import { ModelError } from '../../../errors.ts';
import type { OpenedDevice, OpenRequest } from '../../devices/deviceProtocol.ts';
import { checkDevice } from '../../devices/selfCheck.ts';
import { reasonOf, serveDevice } from '../../devices/serveDevice.ts';
import { readModelFile } from '../../modelFile.ts';
import { MappedSession } from '../mappedSession.ts';
import { listBackends, requireListed } from './backends.ts';
import { longestDevicePiece } from './blockedBand.ts';
import { type CarriedRows, DeviceSession } from './deviceSession.ts';
import { floatModel } from './floatModel.ts';

/** Some providers come as files beside ONNX Runtime, which its install script fetches and sluice does not. */
const NOT_BUNDLED =
  'onnxruntime-node does not bring this provider: its own install script fetches it from elsewhere, and the driver of the device must be there.';
const BUNDLED =
  'Is there such a device, and a driver for it? On Linux, WebGPU needs Vulkan: libvulkan.so.1 and a driver.';

let session: DeviceSession | undefined;
const documents = new Map<number, CarriedRows>();

async function open({ path, spec }: OpenRequest): Promise<OpenedDevice> {
  if (spec.kind !== 'onnx') throw new Error(`this process runs no ${spec.kind}`);
  const { provider } = spec;
  const backend = requireListed(provider, await listBackends());
  const file = await readModelFile(path);
  const { model, release } = floatModel(file);
  try {
    const name = `onnx:${provider}`;
    const device = await DeviceSession.open(model, provider).catch((cause) => {
      throw new ModelError(`${name} cannot be used: ${reasonOf(cause)}`, {
        code: 'DEVICE_UNAVAILABLE',
        hint: backend.bundled ? BUNDLED : NOT_BUNDLED,
      });
    });
    const cpu = await MappedSession.open(model);
    const agreement = await checkDevice(device, cpu, name);
    await cpu.close();
    session = device;
    const mostPieceTokens = longestDevicePiece(file.config);
    return { agreement, identity: '', description: name, batchTokens: 1, mostPieceTokens };
  } finally {
    release();
  }
}

let turn: Promise<unknown> = Promise.resolve();

/** One after the other: `run` blocks the thread, and a request must not overtake the one before it. */
function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const done = turn.then(work);
  turn = done.catch(() => {});
  return done;
}

serveDevice({
  open: (request) => inTurn(() => open(request)),
  pass: ({ document, task }) =>
    inTurn(async () => {
      if (session === undefined) throw new Error('the device is not open');
      const past = documents.get(document);
      documents.delete(document);
      const { result, next } = await session.run(task, task.pastRows === 0 ? undefined : past);
      if (next !== undefined) documents.set(document, next);
      return result;
    }),
  forget: (document) => void inTurn(async () => documents.delete(document)),
  times: async () => {
    throw new Error('a provider of ONNX Runtime does not tell the times of its kernels');
  },
});
