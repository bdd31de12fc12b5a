import { DeviceError } from '../errors.ts';
import { dawn, hold } from './dawn.ts';

/**
 * Which adapter is asked for: `hardware` takes the fastest one that is no program on the CPU, `software` one that is,
 * `null` checks programs and runs none, and anything else is a part of an adapter's name.
 */
export type AdapterChoice = 'hardware' | 'software' | 'null' | { readonly name: string };

/** What an adapter says of itself. */
export interface AdapterInfo {
  readonly vendor: string;
  readonly architecture: string;
  /** Name of the device or driver. */
  readonly name: string;
  /** A program on the CPU. */
  readonly software: boolean;
}

export interface FoundAdapter {
  readonly adapter: GPUAdapter;
  readonly info: AdapterInfo;
  readonly language: ReadonlySet<string>;
}

/** No adapter has it in its name. */
const NO_NAME = '\u0000';

const HINTS = {
  linux: 'On Linux it takes libvulkan.so.1 and a Vulkan driver of the device (VK_DRIVER_FILES can name its file).',
  other: 'Is the driver of the device installed?',
};

/**
 * Finds an adapter. Throws DeviceError `NO_ADAPTER` where there is none of that kind, saying which there are.
 * @param toggles options of Dawn
 */
export async function findAdapter(choice: AdapterChoice, toggles: readonly string[] = []): Promise<FoundAdapter> {
  const options = [...optionsOf(choice), ...toggles];
  const gpu = await dawn(...options);
  const adapter = await request(gpu, choice);
  if (adapter === null || (choice === 'hardware' && adapter.info.isFallbackAdapter)) {
    throw noAdapter(choice, await listAdapters());
  }
  hold(gpu, ...options);
  return { adapter, info: infoOf(adapter, choice), language: gpu.wgslLanguageFeatures };
}

/** Names of all adapters, such as `vulkan: NVIDIA H200`; none is opened. Throws DeviceError `WEBGPU_MISSING`. */
export async function listAdapters(): Promise<string[]> {
  const gpu = await dawn(`adapter=${NO_NAME}`);
  // where no adapter has the name, the error lists all there are
  const said = await gpu.requestAdapter().then(
    () => '',
    (error) => String(error),
  );
  return [...said.matchAll(/backend: '(.*?)', name: '(.*)'/g)].map(([, backend, name]) => `${backend}: ${name}`);
}

function optionsOf(choice: AdapterChoice): string[] {
  if (choice === 'null') return ['backend=null'];
  return typeof choice === 'object' ? [`adapter=${choice.name}`] : [];
}

async function request(gpu: GPU, choice: AdapterChoice): Promise<GPUAdapter | null> {
  try {
    // of software adapters Dawn gives one by that name alone, the others only where nothing else is found
    const forced = choice === 'software' ? await gpu.requestAdapter({ forceFallbackAdapter: true }) : null;
    const adapter = forced ?? (await gpu.requestAdapter({ powerPreference: 'high-performance' }));
    return choice === 'software' && !adapter?.info.isFallbackAdapter ? null : adapter;
  } catch {
    // it throws where no adapter has the name
    return null;
  }
}

function infoOf({ info }: GPUAdapter, choice: AdapterChoice): AdapterInfo {
  const { vendor, architecture, device, description, isFallbackAdapter } = info;
  const name = [device, description].filter((part) => part !== '').join(', ');
  return { vendor, architecture, name, software: isFallbackAdapter || choice === 'null' };
}

function noAdapter(choice: AdapterChoice, found: readonly string[]): DeviceError {
  const what =
    typeof choice === 'object'
      ? `No adapter has ${JSON.stringify(choice.name)} in its name`
      : choice === 'hardware'
        ? 'There is no GPU that WebGPU can use'
        : `There is no ${choice} adapter`;
  const others = found.length === 0 ? 'no adapter at all was found' : `found: ${found.join(', ')}`;
  return new DeviceError(`${what}; ${others}.`, {
    code: 'NO_ADAPTER',
    hint: hintOf(choice, found),
  });
}

function hintOf(choice: AdapterChoice, found: readonly string[]): string {
  if (typeof choice === 'object' && found.length > 0) return 'Give a part of a name as it is written there.';
  return process.platform === 'linux' ? HINTS.linux : HINTS.other;
}
