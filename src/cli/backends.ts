import { SluiceError } from '../errors.ts';
import {
  type Backend,
  type Device,
  DeviceModel,
  defaultModelDir,
  type EntropyModel,
  listBackends,
  openModel,
  reportGpus,
} from '../model/index.ts';
import { count } from './format.ts';

/** A line of `sluice doctor`. */
export interface Finding {
  readonly part: string;
  /** `ok`, `untried` for what nobody has asked, `off` for what is not there and not needed, `missing` for what stops a run. */
  readonly state: 'ok' | 'untried' | 'off' | 'missing';
  readonly detail: string;
}

const SAMPLE = Buffer.from('Bytes that a model reads to be timed. '.repeat(27)).subarray(0, 1000);
const SHORTEST = 60;
const ENOUGH_SECONDS = 1;

/**
 * What ONNX Runtime lists on this platform; nothing where it is not installed. Whether a backend works is said of those
 * that have just been run, which takes `check`.
 */
export async function* backends(check: boolean): AsyncIterable<Finding> {
  yield* gpus(check);
  const listed = await listBackends().catch(() => []);
  for (const backend of listed) yield check ? await tried(backend) : untried(backend);
}

/** What WebGPU finds, with kernels of our own: a GPU, and a software adapter where one was installed. */
async function* gpus(check: boolean): AsyncIterable<Finding> {
  const { adapters, hardware, software, problem } = reportGpus();
  if (adapters.length > 0) yield { part: 'gpu adapters', state: 'ok', detail: adapters.join('; ') };
  if (hardware === undefined) yield { part: 'webgpu', state: 'off', detail: problem ?? 'no GPU' };
  else yield check ? await triedOn('webgpu', hardware) : { part: 'webgpu', state: 'ok', detail: hardware };
  if (software === undefined) return;
  const part = 'webgpu:software';
  yield check ? await triedOn(part, software) : { part, state: 'untried', detail: `${software}: slower than the CPU` };
}

async function triedOn(device: Device, name: string): Promise<Finding> {
  const { state, detail } = await triedModel(device, device, 'off');
  return { part: device, state, detail: `${name}: ${detail}` };
}

const isCpu = ({ name }: Backend): boolean => name === 'cpu';
const partOf = (backend: Backend): string => (isCpu(backend) ? 'cpu' : `onnx:${backend.name}`);

function untried(backend: Backend): Finding {
  const part = partOf(backend);
  return backend.bundled
    ? { part, state: 'untried', detail: 'in the package, not tried: sluice doctor --check runs it' }
    : { part, state: 'off', detail: 'listed, but not in the package; not tried' };
}

function tried(backend: Backend): Promise<Finding> {
  return triedModel(
    partOf(backend),
    isCpu(backend) ? 'cpu' : `onnx:${backend.name}`,
    isCpu(backend) ? 'missing' : 'off',
  );
}

/** @param failed the state of a device that cannot be had */
async function triedModel(part: string, device: Device, failed: Finding['state']): Promise<Finding> {
  try {
    const model = await openModel(defaultModelDir(), { device });
    try {
      return { part, state: 'ok', detail: await report(model) };
    } finally {
      await model.close();
    }
  } catch (error) {
    const { message, hint } = error instanceof SluiceError ? error : { message: String(error), hint: undefined };
    return {
      part,
      state: failed,
      detail: hint === undefined ? message : `${message} ${hint}`,
    };
  }
}

async function report(model: EntropyModel): Promise<string> {
  const { rate, length } = await speedOf(model);
  const speed = `${count(rate)} bytes/s with the default model, ${length} bytes at a time`;
  if (!(model instanceof DeviceModel)) return speed;
  const { entropyDifference, tokens } = model.agreement;
  return `within ${entropyDifference.toPrecision(2)} nats of the CPU on ${tokens} tokens; ${speed}`;
}

/** Bytes a second, in documents that grow until one takes a good part of the time. */
async function speedOf(model: EntropyModel): Promise<{ readonly rate: number; readonly length: number }> {
  let length = SHORTEST;
  // a device compiles its programs when they are first run
  await secondsOf(model, length);
  while (length < SAMPLE.length && (await secondsOf(model, length)) < ENOUGH_SECONDS / 4) {
    length = Math.min(2 * length, SAMPLE.length);
  }
  let [bytes, seconds] = [0, 0];
  while (seconds < ENOUGH_SECONDS) {
    seconds += await secondsOf(model, length);
    bytes += length;
  }
  return { rate: bytes / seconds, length };
}

async function secondsOf(model: EntropyModel, length: number): Promise<number> {
  const began = performance.now();
  for await (const _ of model.encode(SAMPLE.subarray(0, length)));
  return (performance.now() - began) / 1000;
}
