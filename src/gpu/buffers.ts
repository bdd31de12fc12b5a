import { DeviceError } from '../errors.ts';
import type { Health } from './health.ts';
import { USAGE } from './usage.ts';

/** Memory on the device that one owner holds until it frees it. */
export interface Memory {
  readonly buffer: GPUBuffer;
  /** What was asked for; the buffer may be larger. */
  readonly bytes: number;
  /** Gives it back, for others to take; its contents are gone. Throws where that was done before. */
  free(): void;
}

export interface MemoryCounts {
  /** Bytes of buffers that somebody holds. */
  readonly held: number;
  /** Bytes of buffers that lie ready to be taken again. */
  readonly spare: number;
  /** The most that both were together. */
  readonly peak: number;
  readonly budget: number;
}

const LEAST_BYTES = 256;
const STORAGE = USAGE.storage | USAGE.copySource | USAGE.copyTarget;

/**
 * Storage buffers of one device within a budget of bytes. Drivers promise memory that they do not have, so the budget and
 * not the driver says when there is no more. Buffers come in few sizes and are used again.
 */
export class MemoryPool {
  readonly #health: Health;
  readonly #budget: number;
  /** The most that one buffer may have. */
  readonly #most: number;
  readonly #spare = new Map<number, GPUBuffer[]>();
  readonly #refused = new WeakSet<GPUBuffer>();
  #held = 0;
  #spareBytes = 0;
  #peak = 0;

  /** Throws RangeError for a budget that is none. */
  constructor(device: GPUDevice, health: Health, budget: number) {
    if (!(budget > 0)) throw new RangeError(`${budget} bytes are no budget of memory.`);
    const { maxBufferSize, maxStorageBufferBindingSize } = device.limits;
    this.#health = health;
    this.#budget = budget;
    this.#most = 4 * Math.floor(Math.min(maxBufferSize, maxStorageBufferBindingSize) / 4);
  }

  get counts(): MemoryCounts {
    return { held: this.#held, spare: this.#spareBytes, peak: this.#peak, budget: this.#budget };
  }

  /**
   * Memory for storage; what it holds at first is undefined, it may be another owner's.
   * Throws DeviceError `GPU_MEMORY` where the budget or the device's largest buffer does not allow it, `DEVICE_LOST`. That
   * the device itself has no such memory is thrown where it is used first.
   * @param exact for what stays: no more bytes than asked for, and never used again by others
   */
  take(bytes: number, label: string, exact = false): Memory {
    this.#health.check();
    if (!Number.isSafeInteger(bytes) || bytes < 0 || bytes > this.#most) {
      throw new DeviceError(`${label} would take ${bytes} bytes; this device binds at most ${this.#most} at once.`, {
        code: 'GPU_MEMORY',
        hint: 'Give smaller pieces or batches.',
      });
    }
    const size = exact || sizeClass(bytes) > this.#most ? roundUp(bytes, 4) : sizeClass(bytes);
    const buffer = (exact ? undefined : this.#takeSpare(size)) ?? this.#create(size, label);
    this.#held += size;
    this.#peak = Math.max(this.#peak, this.#held + this.#spareBytes);
    let freed = false;
    return {
      buffer,
      bytes,
      free: () => {
        if (freed) throw new Error(`The memory ${label} was freed twice.`);
        freed = true;
        this.#held -= size;
        if (exact || this.#refused.has(buffer) || this.#health.lost !== undefined) buffer.destroy();
        else this.#keep(size, buffer);
      },
    };
  }

  /** Destroys what nobody holds. */
  drop(): void {
    this.#dropTo(0);
  }

  #takeSpare(size: number): GPUBuffer | undefined {
    const buffer = this.#spare.get(size)?.pop();
    if (buffer !== undefined) this.#spareBytes -= size;
    return buffer;
  }

  #create(size: number, label: string): GPUBuffer {
    if (this.#held + size > this.#budget) {
      throw new DeviceError(
        `${label} takes ${size} bytes, and ${this.#held} of ${this.#budget} bytes of the GPU's memory budget are in use.`,
        { code: 'GPU_MEMORY', hint: 'Give a larger --gpu-memory, or smaller pieces or batches.' },
      );
    }
    this.#dropTo(this.#budget - this.#held - size);
    const buffer = this.#health.createBuffer({ size, usage: STORAGE, label });
    this.#health.refusalOf(buffer).then((refusal) => {
      if (refusal === undefined) return;
      this.#refused.add(buffer);
      // the device has less memory than the budget
      this.drop();
    });
    return buffer;
  }

  #keep(size: number, buffer: GPUBuffer): void {
    const others = this.#spare.get(size);
    if (others === undefined) this.#spare.set(size, [buffer]);
    else others.push(buffer);
    this.#spareBytes += size;
  }

  /** Destroys buffers that lie ready, the largest first, until they take no more than `bytes`. */
  #dropTo(bytes: number): void {
    if (this.#spareBytes <= bytes) return;
    for (const [size, buffers] of [...this.#spare].sort(([a], [b]) => b - a)) {
      while (this.#spareBytes > bytes && buffers.length > 0) {
        buffers.pop()?.destroy();
        this.#spareBytes -= size;
      }
    }
  }
}

/** Powers of two and the halves between them: at most a third is wasted, and few sizes exist. */
function sizeClass(bytes: number): number {
  let size = LEAST_BYTES;
  while (size < bytes) size *= 2;
  const between = (size / 4) * 3;
  return between >= Math.max(bytes, LEAST_BYTES) ? between : size;
}

const roundUp = (bytes: number, unit: number): number => Math.max(unit, unit * Math.ceil(bytes / unit));
