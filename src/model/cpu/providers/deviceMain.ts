/**
 * The process of a device: takes requests from the model's process and answers them one by one. A process and not a
 * thread, because native code that is ended midway takes its whole process along, and so does a driver that fails.
 */
import { ModelError } from '../../../errors.ts';
import { readModelFile } from '../../modelFile.ts';
import { MappedSession } from '../mappedSession.ts';
import { listBackends, requireListed } from './backends.ts';
import type {
  Agreement,
  DeviceFailure,
  DeviceReply,
  DeviceRequest,
  OpenRequest,
  PassRequest,
} from './deviceProtocol.ts';
import { type CarriedRows, DeviceSession } from './deviceSession.ts';
import { floatModel } from './floatModel.ts';
import { checkDevice } from './selfCheck.ts';

/** Some providers come as files beside ONNX Runtime, which its install script fetches and sluice does not. */
const NOT_BUNDLED =
  'onnxruntime-node does not bring this provider: its own install script fetches it from elsewhere, and the driver of the device must be there.';
const BUNDLED =
  'Is there such a device, and a driver for it? On Linux, WebGPU needs Vulkan: libvulkan.so.1 and a driver.';

let session: DeviceSession | undefined;
const documents = new Map<number, CarriedRows>();

async function open({ path, provider }: OpenRequest): Promise<Agreement> {
  const backend = requireListed(provider, await listBackends());
  const { model, release } = floatModel(await readModelFile(path));
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
    return agreement;
  } finally {
    release();
  }
}

async function pass({ document, task }: PassRequest): Promise<DeviceReply> {
  if (session === undefined) throw new Error('the device is not open');
  const past = documents.get(document);
  documents.delete(document);
  const { result, next } = await session.run(task, task.pastRows === 0 ? undefined : past);
  if (next !== undefined) documents.set(document, next);
  return { result };
}

async function answer(request: DeviceRequest): Promise<DeviceReply | undefined> {
  try {
    switch (request.kind) {
      case 'open':
        return { opened: await open(request) };
      case 'pass':
        return await pass(request);
      case 'forget':
        documents.delete(request.document);
        return undefined;
    }
  } catch (error) {
    return { failure: failureOf(error) };
  }
}

function failureOf(error: unknown): DeviceFailure {
  if (error instanceof ModelError) {
    const { code, message, path, hint } = error;
    return { code, message, path, hint };
  }
  return { code: 'MODEL_RUN', message: reasonOf(error) };
}

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error)).trim();

let turn = Promise.resolve();
process.on('message', (request: DeviceRequest) => {
  turn = turn.then(async () => {
    const reply = await answer(request);
    if (reply !== undefined && process.connected) process.send?.(reply);
  });
});
// the model's process decides what an interruption means; its end, however it comes, is the end of this one
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
process.on('disconnect', () => process.exit());
