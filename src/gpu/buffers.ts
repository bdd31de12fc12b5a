import { DeviceError } from '../errors.ts';
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
  readonly #device: GPUDevice;
  readonly #budget: number;
  readonly #spare = new Map<number, GPUBuffer[]>();
  #held = 0;
  #spareBytes = 0;
  #peak = 0;

  constructor(device: GPUDevice, budget: number) {
    this.#device = device;
    this.#budget = budget;
  }

  get counts(): MemoryCounts {
    return { held: this.#held, spare: this.#spareBytes, peak: this.#peak, budget: this.#budget };
  }

  /**
   * Memory for storage; what it holds at first is undefined, it may be another owner's.
   * Throws DeviceError `GPU_MEMORY` where the budget or the device's largest buffer does not allow it.
   * @param exact for what stays: no more bytes than asked for, and never used again by others
   */
  take(bytes: number, label: string, exact = false): Memory {
    const { maxBufferSize, maxStorageBufferBindingSize } = this.#device.limits;
    const most = Math.min(maxBufferSize, maxStorageBufferBindingSize);
    if (!Number.isSafeInteger(bytes) || bytes < 0 || bytes > most) {
      throw new DeviceError(`${label} would take ${bytes} bytes; this device binds at most ${most} at once.`, {
        code: 'GPU_MEMORY',
        hint: 'Give smaller pieces or batches.',
      });
    }
    const size = exact || sizeClass(bytes) > most ? roundUp(bytes, 4) : sizeClass(bytes);
    this.#requireRoom(size, label);
    const buffer = this.#spareOf(size) ?? this.#create(size, label);
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
        if (exact) buffer.destroy();
        else this.#keep(size, buffer);
      },
    };
  }

  /** Destroys what nobody holds. */
  drop(): void {
    for (const buffer of [...this.#spare.values()].flat()) buffer.destroy();
    this.#spare.clear();
    this.#spareBytes = 0;
  }

  #requireRoom(size: number, label: string): void {
    if (this.#held + size > this.#budget) {
      throw new DeviceError(
        `${label} takes ${size} bytes, and ${this.#held} of ${this.#budget} bytes of the GPU's memory budget are in use.`,
        { code: 'GPU_MEMORY', hint: 'Give a larger --gpu-memory, or smaller pieces or batches.' },
      );
    }
    if (this.#held + this.#spareBytes + size > this.#budget) this.drop();
  }

  #spareOf(size: number): GPUBuffer | undefined {
    const buffer = this.#spare.get(size)?.pop();
    if (buffer !== undefined) this.#spareBytes -= size;
    return buffer;
  }

  #create(size: number, label: string): GPUBuffer {
    return this.#device.createBuffer({ size, usage: STORAGE, label });
  }

  #keep(size: number, buffer: GPUBuffer): void {
    const others = this.#spare.get(size);
    if (others === undefined) this.#spare.set(size, [buffer]);
    else others.push(buffer);
    this.#spareBytes += size;
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
