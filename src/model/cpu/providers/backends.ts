import { ModelError } from '../../../errors.ts';
import { loadRuntime } from '../session.ts';

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
