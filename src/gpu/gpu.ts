import { DeviceError } from '../errors.ts';
import { type AdapterChoice, type AdapterInfo, findAdapter } from './adapter.ts';
import { MemoryPool } from './buffers.ts';
import { Commands, type CommandTarget, uniformBuffer } from './commands.ts';
import { Pipelines } from './pipelines.ts';
import { Profile } from './profile.ts';
import { Readbacks, Uploads } from './staging.ts';
import { type Variant, variantOf } from './variant.ts';

export interface GpuOptions {
  /** Default: `hardware`. */
  readonly adapter?: AdapterChoice | undefined;
  /** Bytes of storage that may be held at once. Default: 2 GiB. */
  readonly memoryBytes?: number | undefined;
  /** Time every dispatch; slows the device down. Default: false. */
  readonly profile?: boolean | undefined;
}

export const GPU_MEMORY_BYTES = 2 * 2 ** 30;

const FEATURES = ['subgroups', 'shader-f16', 'timestamp-query'] as const;
const LIMITS = ['maxBufferSize', 'maxStorageBufferBindingSize', 'maxStorageBuffersPerShaderStage'] as const;
/** Toggles of Dawn that only matter where time is measured. */
const EXACT_TIMES = 'disable-dawn-features=timestamp_quantization';

/** One GPU, opened: memory, programs, commands, transfers. Belongs in a main thread. */
export class Gpu implements CommandTarget {
  readonly info: AdapterInfo;
  readonly variant: Variant;
  readonly device: GPUDevice;
  readonly memory: MemoryPool;
  readonly programs: Pipelines;
  readonly uploads: Uploads;
  readonly readbacks: Readbacks;
  readonly uniforms: GPUBuffer;
  readonly profile: Profile | undefined;
  #lost: DeviceError | undefined;

  private constructor(device: GPUDevice, info: AdapterInfo, variant: Variant, options: GpuOptions) {
    this.device = device;
    this.info = info;
    this.variant = variant;
    this.memory = new MemoryPool(device, options.memoryBytes ?? GPU_MEMORY_BYTES);
    this.programs = new Pipelines(device, variant);
    this.uploads = new Uploads(device);
    this.readbacks = new Readbacks(device);
    this.uniforms = uniformBuffer(device);
    this.profile = options.profile ? new Profile(device) : undefined;
    device.lost.then(({ reason, message }) => {
      this.#lose(reason === 'destroyed' ? 'it was closed' : message.trim() || 'no reason given');
    });
    device.addEventListener('uncapturederror', (event) => this.#lose(event.error.message));
  }

  /** Throws DeviceError `NO_ADAPTER`, `WEBGPU_MISSING`, `GPU_THREAD`, or `GPU_REFUSED` where the adapter gives no device. */
  static async open(options: GpuOptions = {}): Promise<Gpu> {
    const toggles = options.profile ? [EXACT_TIMES] : [];
    const { adapter, info, language } = await findAdapter(options.adapter ?? 'hardware', toggles);
    const features = FEATURES.filter((feature) => adapter.features.has(feature));
    if (options.profile && !features.includes('timestamp-query')) {
      throw new DeviceError(`${info.name} cannot tell how long its work takes.`, { code: 'GPU_REFUSED' });
    }
    try {
      const device = await adapter.requestDevice({
        requiredFeatures: features,
        requiredLimits: Object.fromEntries(LIMITS.map((name) => [name, adapter.limits[name]])),
      });
      return new Gpu(device, info, variantOf(adapter, new Set<string>(features), language), options);
    } catch (cause) {
      throw new DeviceError(`${info.name} gives no device: ${cause instanceof Error ? cause.message : cause}`, {
        code: 'GPU_REFUSED',
        cause,
      });
    }
  }

  /** Why nothing can be computed any more; undefined while all is well. */
  get lost(): DeviceError | undefined {
    return this.#lost;
  }

  commands(): Commands {
    return new Commands(this);
  }

  /** What `promise` gives, or the reason why the device was lost while it was waited for. */
  async orLost<T>(promise: Promise<T>): Promise<T> {
    try {
      return await promise;
    } catch (error) {
      // the reason comes later than the failures it causes
      await new Promise(setImmediate);
      throw this.#lost ?? error;
    }
  }

  /** Resolves when all that was submitted is done. Throws DeviceError `DEVICE_LOST`. */
  async done(): Promise<void> {
    await this.orLost(this.device.queue.onSubmittedWorkDone());
    if (this.#lost !== undefined) throw this.#lost;
  }

  /** Ends all work; whoever waits for some of it gets DeviceError `DEVICE_LOST`. */
  close(): void {
    this.memory.drop();
    this.device.destroy();
  }

  #lose(reason: string): void {
    this.#lost ??= new DeviceError(`${this.info.name} was lost: ${reason}`, { code: 'DEVICE_LOST' });
  }
}
