import { SluiceError } from '../errors.ts';
import {
  type Backend,
  DeviceModel,
  defaultModelDir,
  type EntropyModel,
  listBackends,
  openModel,
} from '../model/index.ts';
import { count } from './format.ts';

/** A line of `sluice doctor`. */
export interface Finding {
  readonly part: string;
  /** `ok`, `untried` for what nobody has asked, `off` for what is not there and not needed, `missing` for what stops a run. */
  readonly state: 'ok' | 'untried' | 'off' | 'missing';
  readonly detail: string;
}

const SAMPLE = Buffer.from('Bytes that a model reads to be timed. '.repeat(14)).subarray(0, 512);
const ENOUGH_MS = 1000;

/**
 * What ONNX Runtime lists on this platform; nothing where it is not installed. Whether a backend works is said of those
 * that have just been run, which takes `check`.
 */
export async function* backends(check: boolean): AsyncIterable<Finding> {
  const listed = await listBackends().catch(() => []);
  for (const backend of listed) yield check ? await tried(backend) : untried(backend);
}

const isCpu = ({ name }: Backend): boolean => name === 'cpu';
const partOf = (backend: Backend): string => (isCpu(backend) ? 'cpu' : `onnx:${backend.name}`);

function untried(backend: Backend): Finding {
  const part = partOf(backend);
  return backend.bundled
    ? { part, state: 'untried', detail: 'in the package, not tried: sluice doctor --check runs it' }
    : { part, state: 'off', detail: 'listed, but not in the package; not tried' };
}

async function tried(backend: Backend): Promise<Finding> {
  const part = partOf(backend);
  try {
    const model = await openModel(defaultModelDir(), { device: isCpu(backend) ? 'cpu' : `onnx:${backend.name}` });
    try {
      return { part, state: 'ok', detail: await report(model) };
    } finally {
      await model.close();
    }
  } catch (error) {
    const { message, hint } = error instanceof SluiceError ? error : { message: String(error), hint: undefined };
    return {
      part,
      state: isCpu(backend) ? 'missing' : 'off',
      detail: hint === undefined ? message : `${message} ${hint}`,
    };
  }
}

async function report(model: EntropyModel): Promise<string> {
  const rate = await bytesPerSecond(model);
  const speed = `${count(Math.round(rate))} bytes/s with the default model, ${SAMPLE.length} bytes at a time`;
  if (!(model instanceof DeviceModel)) return speed;
  const { entropyDifference, tokens } = model.agreement;
  return `within ${entropyDifference.toPrecision(2)} nats of the CPU on ${tokens} tokens; ${speed}`;
}

/** The first time is not counted: a device compiles its programs then. */
async function bytesPerSecond(model: EntropyModel): Promise<number> {
  await encode(model);
  const began = performance.now();
  let bytes = 0;
  do bytes += await encode(model);
  while (performance.now() - began < ENOUGH_MS);
  return (1000 * bytes) / (performance.now() - began);
}

async function encode(model: EntropyModel): Promise<number> {
  let bytes = 0;
  for await (const { entropies } of model.encode(SAMPLE)) bytes += entropies.length;
  return bytes;
}
