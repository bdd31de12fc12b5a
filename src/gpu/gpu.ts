import { DeviceError } from '../errors.ts';
import { type AdapterChoice, type AdapterInfo, findAdapter } from './adapter.ts';
import { MemoryPool } from './buffers.ts';
import { Commands, type CommandTarget, MOST_DISPATCHES, uniformBuffer } from './commands.ts';
import { Health } from './health.ts';
import { Pipelines } from './pipelines.ts';
import { Profile } from './profile.ts';
import { Readbacks, type Reading } from './readbacks.ts';
import { Uploads } from './uploads.ts';
import { type Variant, variantOf } from './variant.ts';

export interface GpuOptions {
  /** Default: `hardware`. */
  readonly adapter?: AdapterChoice | undefined;
  /** Bytes of storage that may be held at once. Default: 2 GiB. */
  readonly memoryBytes?: number | undefined;
  /** Time every dispatch; slows the device down. Default: false. */
  readonly profile?: boolean | undefined;
  /** Let kernels be chosen as for another device than it is: forms of other devices can be tried so. */
  readonly variant?: Partial<Variant> | undefined;
  /** Options of Dawn, such as `enable-dawn-features=vulkan_enable_f16_on_nvidia`; unknown ones are ignored. */
  readonly dawn?: readonly string[] | undefined;
}

export const GPU_MEMORY_BYTES = 2 * 2 ** 30;

const FEATURES = ['subgroups', 'shader-f16', 'timestamp-query'] as const;
const LIMITS = ['maxBufferSize', 'maxStorageBufferBindingSize', 'maxStorageBuffersPerShaderStage'] as const;
/** Features of Dawn that go where time is measured, and where a software adapter would compile them for seconds. */
const ROUNDED_TIMES = 'timestamp_quantization';
const ZEROED_BY_DRIVER = 'use_vulkan_zero_initialize_workgroup_memory_extension';

/** One GPU, opened: memory, programs, commands, transfers. Belongs in a main thread. */
export class Gpu implements CommandTarget {
  readonly info: AdapterInfo;
  readonly variant: Variant;
  readonly device: GPUDevice;
  readonly health: Health;
  readonly memory: MemoryPool;
  readonly programs: Pipelines;
  readonly uploads: Uploads;
  readonly readbacks: Readbacks;
  readonly uniforms: GPUBuffer;
  readonly profile: Profile | undefined;

  private constructor(device: GPUDevice, info: AdapterInfo, variant: Variant, options: GpuOptions) {
    this.device = device;
    this.info = info;
    this.variant = variant;
    this.health = new Health(device, info.name);
    this.memory = new MemoryPool(device, this.health, options.memoryBytes ?? GPU_MEMORY_BYTES);
    this.programs = new Pipelines(device, this.health, variant);
    this.uploads = new Uploads(device, this.health);
    this.readbacks = new Readbacks(device, this.health);
    this.uniforms = uniformBuffer(this.health);
    this.profile = options.profile ? new Profile(device, this.health, MOST_DISPATCHES) : undefined;
  }

  /**
   * Throws DeviceError `NO_ADAPTER`, `WEBGPU_MISSING`, `GPU_THREAD`, or `GPU_REFUSED` where the adapter gives no device or
   * cannot be timed; RangeError for a budget that is none.
   */
  static async open(options: GpuOptions = {}): Promise<Gpu> {
    const { adapter: choice = 'hardware', dawn = [], profile = false } = options;
    const off = [...(profile ? [ROUNDED_TIMES] : []), ...(choice === 'software' ? [ZEROED_BY_DRIVER] : [])];
    const toggles = [...dawn, ...(off.length === 0 ? [] : [`disable-dawn-features=${off.join(',')}`])];
    const { adapter, info, language } = await findAdapter(choice, toggles);
    const features = FEATURES.filter((feature) => adapter.features.has(feature));
    if (options.profile && !features.includes('timestamp-query')) {
      throw new DeviceError(`${info.name} cannot tell how long its work takes.`, { code: 'GPU_REFUSED' });
    }
    const variant = { ...variantOf(adapter, new Set<string>(features), language), ...options.variant };
    const requiredLimits = Object.fromEntries(LIMITS.map((name) => [name, adapter.limits[name]]));
    const device = await adapter.requestDevice({ requiredFeatures: features, requiredLimits }).catch((cause) => {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new DeviceError(`${info.name} gives no device: ${reason}`, { code: 'GPU_REFUSED', cause });
    });
    return new Gpu(device, info, variant, options);
  }

  /** Why nothing can be computed any more; undefined while all is well. */
  get lost(): DeviceError | undefined {
    return this.health.lost;
  }

  commands(): Commands {
    return new Commands(this);
  }

  /** Submits commands that copy into a reading, which is given back where they are refused. Throws as `Commands.submit`. */
  async submitRead(commands: Commands, reading: Reading): Promise<void> {
    try {
      await commands.submit();
    } catch (error) {
      reading.abandon();
      throw error;
    }
  }

  /** What `promise` gives, or DeviceError `DEVICE_LOST` as soon as the device is lost. */
  orLost<T>(promise: Promise<T>): Promise<T> {
    return this.health.orLost(promise);
  }

  /** Resolves when all that was submitted is done. Throws DeviceError `DEVICE_LOST`. */
  async done(): Promise<void> {
    this.health.check();
    await this.health.orLost(this.device.queue.onSubmittedWorkDone());
    this.health.check();
  }

  /** Ends all work; whoever waits for some of it gets DeviceError `DEVICE_LOST`. May be called again. */
  close(): void {
    this.health.lose('it was closed');
    this.memory.drop();
    this.device.destroy();
  }
}
