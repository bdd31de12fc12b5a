import { ModelError } from '../../../errors.ts';
import { loadRuntime } from '../session.ts';

/** Where a model is computed: `cpu`, or `onnx:` and the name of another execution provider of ONNX Runtime. */
export type Device = 'cpu' | `onnx:${string}`;

/** An execution provider that ONNX Runtime for Node knows on this platform. */
export interface Backend {
  /** Such as `cpu`, `webgpu`, `cuda`, `coreml`, `dml`. */
  readonly name: string;
  /** Its library comes with the package. It may still lack a driver or a device. */
  readonly bundled: boolean;
}

const PREFIX = 'onnx:';

/** What ONNX Runtime for Node lists on this platform, the CPU first. Throws ModelError `ONNXRUNTIME_MISSING`. */
export async function listBackends(): Promise<Backend[]> {
  const { listSupportedBackends } = await loadRuntime();
  return listSupportedBackends().map(({ name, bundled }) => ({ name, bundled }));
}

/** Whether a name has the form of a device; there may be none of that name here. */
export function isDevice(name: string): name is Device {
  return name === 'cpu' || (name.startsWith(PREFIX) && name.length > PREFIX.length);
}

/** Name of the execution provider that a device means; undefined for the CPU. Throws ModelError `NO_DEVICE`. */
export function providerOf(device: string): string | undefined {
  if (device === 'cpu') return undefined;
  const provider = device.slice(PREFIX.length);
  if (isDevice(device) && provider !== 'cpu') return provider;
  throw new ModelError(`There is no device ${JSON.stringify(device)}.`, {
    code: 'NO_DEVICE',
    hint: 'cpu, or onnx:<provider> such as onnx:webgpu; `sluice doctor` lists those of this platform.',
  });
}

/** The backend of that name among those listed. Throws ModelError `NO_DEVICE` naming the devices there are. */
export function requireListed(provider: string, listed: readonly Backend[]): Backend {
  const found = listed.find(({ name }) => name === provider && name !== 'cpu');
  if (found !== undefined) return found;
  const names = listed.map(({ name }) => (name === 'cpu' ? name : PREFIX + name));
  throw new ModelError(
    `There is no device ${PREFIX}${provider} on ${process.platform}-${process.arch}: ONNX Runtime does not list it.`,
    { code: 'NO_DEVICE', hint: `Devices here: ${names.join(', ')}.` },
  );
}
