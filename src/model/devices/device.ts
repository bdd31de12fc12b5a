import { ModelError } from '../../errors.ts';
import type { AdapterChoice } from '../../gpu/index.ts';
import type { DeviceSpec } from './deviceProtocol.ts';

/**
 * Where a model is computed: `cpu`; `webgpu`, the GPU; `webgpu:` and a part of an adapter's name, or `software`; several
 * of those with commas between; `onnx:` and the name of another execution provider of ONNX Runtime.
 */
export type Device = 'cpu' | `webgpu${string}` | `onnx:${string}`;

const ONNX = 'onnx:';
const GPU = /^webgpu(:[^,:]+)?(,webgpu(:[^,:]+)?)*$/;

/** Whether a name has the form of a device; there may be none of that name here. */
export function isDevice(name: string): name is Device {
  return name === 'cpu' || GPU.test(name) || (name.startsWith(ONNX) && name.length > ONNX.length);
}

/** Name of the execution provider that a device means; undefined for all others. Throws ModelError `NO_DEVICE`. */
export function providerOf(device: string): string | undefined {
  if (isDevice(device) && !device.startsWith(ONNX)) return undefined;
  const provider = device.slice(ONNX.length);
  if (isDevice(device) && provider !== 'cpu') return provider;
  throw new ModelError(`There is no device ${JSON.stringify(device)}.`, {
    code: 'NO_DEVICE',
    hint: 'cpu, webgpu, webgpu:<part of an adapter name>, or onnx:<provider>; `sluice doctor` lists those of this machine.',
  });
}

/** The adapters that a device means, each with a process of its own; none where it is no GPU. */
export function adaptersOf(device: Device): AdapterChoice[] {
  if (!GPU.test(device)) return [];
  return device.split(',').map((one) => {
    const name = one.slice('webgpu:'.length);
    if (name === '') return 'hardware';
    return name === 'software' ? 'software' : { name };
  });
}

/** The name that a device is asked for by. */
export function deviceName(spec: DeviceSpec): string {
  if (spec.kind === 'onnx') return `${ONNX}${spec.provider}`;
  if (spec.adapter === 'hardware') return 'webgpu';
  return `webgpu:${typeof spec.adapter === 'object' ? spec.adapter.name : spec.adapter}`;
}
