import { DeviceError } from '../errors.ts';

/** In the order in which they say why work was refused: what has no memory is invalid, too. */
const FILTERS = ['out-of-memory', 'internal', 'validation'] as const;
const CODES = { 'out-of-memory': 'GPU_MEMORY', internal: 'GPU_FAILED', validation: 'GPU_INVALID' } as const;

const MEMORY_HINT = 'Give a smaller --gpu-memory, pieces or batches.';

/**
 * What a device refuses, and whether it still works. All that reaches a device goes through here, so that whoever asked for
 * work hears that it was refused, and nobody waits for a device that is lost.
 */
export class Health {
  readonly #device: GPUDevice;
  readonly #name: string;
  readonly #waiting = new Set<(reason: DeviceError) => void>();
  readonly #refusals = new WeakMap<GPUBuffer, Promise<DeviceError | undefined>>();
  #lost: DeviceError | undefined;

  constructor(device: GPUDevice, name: string) {
    this.#device = device;
    this.#name = name;
    device.lost.then(({ reason, message }) => {
      this.lose(reason === 'destroyed' ? 'it was closed' : message.trim() || 'no reason given');
    });
    device.addEventListener('uncapturederror', ({ error }) => {
      // something was left out that nobody waits for: whatever is computed from it would be wrong
      this.lose(`it refused work that nobody waits for: ${error.message.trim()}`);
      // this comes amid a call into the device
      setImmediate(() => device.destroy());
    });
  }

  /** Why nothing can be computed any more; undefined while all is well. */
  get lost(): DeviceError | undefined {
    return this.#lost;
  }

  /** Throws DeviceError `DEVICE_LOST` where nothing can be computed any more. */
  check(): void {
    if (this.#lost !== undefined) throw this.#lost;
  }

  /** The first reason counts, others follow from it. Whoever waits hears it at once. */
  lose(reason: string): void {
    if (this.#lost !== undefined) return;
    this.#lost = new DeviceError(`${this.#name} was lost: ${reason}`, {
      code: 'DEVICE_LOST',
      hint: 'Open it again: what was not read back has to be computed again.',
    });
    for (const reject of this.#waiting) reject(this.#lost);
    this.#waiting.clear();
  }

  /** What `promise` gives, or DeviceError `DEVICE_LOST` as soon as the device is lost, even if `promise` never settles. */
  orLost<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#lost === undefined) this.#waiting.add(reject);
      else reject(this.#lost);
      promise.then(
        (value) => {
          this.#waiting.delete(reject);
          resolve(value);
        },
        // a lost device may say so after the failures that come from it
        (error) =>
          setImmediate(() => {
            this.#waiting.delete(reject);
            reject(error);
          }),
      );
    });
  }

  /**
   * Runs what reaches the device and waits until it was accepted, not until it was done.
   * Throws DeviceError `GPU_INVALID`, `GPU_MEMORY`, `GPU_FAILED` or `DEVICE_LOST`.
   * @param buffers that it works on: where one of them was refused, that is the reason
   */
  async accepted<T>(run: () => T, buffers: () => Iterable<GPUBuffer> = () => []): Promise<T> {
    const { result, refusal } = this.#scoped(run);
    const refused = await this.orLost(refusal);
    this.check();
    if (refused === undefined) return result;
    for (const buffer of buffers()) {
      const reason = await this.refusalOf(buffer);
      if (reason !== undefined) throw reason;
    }
    throw refused;
  }

  /**
   * Creates a buffer; that there is no memory for it is heard where it is used. Throws DeviceError `DEVICE_LOST`, and
   * `GPU_MEMORY` at once where a buffer would be mapped from the beginning.
   */
  createBuffer(descriptor: GPUBufferDescriptor): GPUBuffer {
    try {
      const { result: buffer, refusal } = this.#scoped(() => this.#device.createBuffer(descriptor));
      this.#refusals.set(buffer, refusal);
      return buffer;
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause;
      throw new DeviceError(`The GPU refused work: ${cause.message}`, { code: 'GPU_MEMORY', hint: MEMORY_HINT, cause });
    }
  }

  /** Maps (a part of) a buffer. Throws DeviceError as `accepted` does. */
  async map(buffer: GPUBuffer, mode: GPUMapModeFlags, bytes?: number): Promise<void> {
    const { result: mapping, refusal } = this.#scoped(() => buffer.mapAsync(mode, 0, bytes));
    try {
      await this.orLost(mapping);
    } catch (cause) {
      if (cause instanceof DeviceError) throw cause;
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw (
        (await this.refusalOf(buffer)) ??
        (await refusal) ??
        new DeviceError(`${buffer.label} cannot be mapped: ${reason}`, { code: 'GPU_FAILED', cause })
      );
    }
  }

  /** Why there is no such buffer, undefined where there is one. */
  async refusalOf(buffer: GPUBuffer): Promise<DeviceError | undefined> {
    return this.#refusals.get(buffer);
  }

  #scoped<T>(run: () => T): { result: T; refusal: Promise<DeviceError | undefined> } {
    this.check();
    for (const filter of FILTERS.toReversed()) this.#device.pushErrorScope(filter);
    let refusal: Promise<DeviceError | undefined>;
    let result: T;
    try {
      result = run();
    } finally {
      refusal = firstOf(FILTERS.map(() => this.#device.popErrorScope()));
    }
    return { result, refusal };
  }
}

/** A lost device has no answers; that it is lost is heard elsewhere. */
async function firstOf(scopes: readonly Promise<GPUError | null>[]): Promise<DeviceError | undefined> {
  const errors = await Promise.all(scopes).catch(() => []);
  const at = errors.findIndex((error) => error !== null);
  const [error, filter] = [errors[at], FILTERS[at]];
  if (error === undefined || error === null || filter === undefined) return undefined;
  return new DeviceError(`The GPU refused work: ${error.message.trim()}`, {
    code: CODES[filter],
    hint: filter === 'out-of-memory' ? MEMORY_HINT : undefined,
  });
}
