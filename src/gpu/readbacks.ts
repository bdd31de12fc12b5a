import { DeviceError } from '../errors.ts';
import type { Health } from './health.ts';
import { type Slot, Slots } from './slots.ts';
import { MAP, USAGE } from './usage.ts';

const SLOTS = 3;
const LEAST_BYTES = 4 << 20;
/** Larger buffers are not kept for the next reader. */
const MOST_KEPT_BYTES = 16 << 20;

/** One reading of results, in the parts that were asked for. It ends by `finish` or by `abandon`, once. */
export interface Reading {
  readonly buffer: GPUBuffer;
  /**
   * What was copied into the buffer, after it was; the buffer is given back. Throws DeviceError `DEVICE_LOST`,
   * `GPU_MEMORY` or `GPU_FAILED`.
   */
  finish(): Promise<ArrayBuffer>;
  /** Gives the buffer back unread. */
  abandon(): void;
}

/** Lends buffers that results are read through; at most three at once, so that work waits for its reader. */
export class Readbacks {
  readonly #health: Health;
  readonly #most: number;
  readonly #slots: Slots;

  constructor(device: GPUDevice, health: Health) {
    this.#health = health;
    this.#most = device.limits.maxBufferSize;
    this.#slots = new Slots(health, SLOTS);
  }

  /** Waits for a buffer in the order of asking. Throws DeviceError `GPU_MEMORY` or `DEVICE_LOST`. */
  async begin(bytes: number): Promise<Reading> {
    const size = 4 * Math.ceil(bytes / 4);
    if (!Number.isSafeInteger(bytes) || bytes < 0 || size > this.#most) {
      throw new DeviceError(
        `${bytes} bytes cannot be read at once; this device has buffers of at most ${this.#most}.`,
        {
          code: 'GPU_MEMORY',
          hint: 'Give smaller pieces or batches.',
        },
      );
    }
    const slot = await this.#slots.take();
    try {
      return this.#reading(slot, this.#bufferOf(slot, size), bytes);
    } catch (error) {
      this.#slots.empty(slot);
      throw error;
    }
  }

  #bufferOf(slot: Slot, size: number): GPUBuffer {
    if (slot.buffer === undefined || slot.buffer.size < size) {
      slot.buffer?.destroy();
      const usage = USAGE.mapRead | USAGE.copyTarget;
      slot.buffer = this.#health.createBuffer({ size: Math.max(LEAST_BYTES, size), usage, label: 'readback' });
    }
    return slot.buffer;
  }

  #reading(slot: Slot, buffer: GPUBuffer, bytes: number): Reading {
    let ended = false;
    const end = (): void => {
      if (ended) throw new Error('A reading is finished or abandoned once.');
      ended = true;
    };
    return {
      buffer,
      finish: async () => {
        end();
        return this.#health.orLost(this.#finish(slot, buffer, bytes));
      },
      abandon: () => {
        end();
        this.#giveBack(slot, buffer);
      },
    };
  }

  async #finish(slot: Slot, buffer: GPUBuffer, bytes: number): Promise<ArrayBuffer> {
    const size = 4 * Math.ceil(bytes / 4);
    try {
      await this.#health.map(buffer, MAP.read, size);
      const copy = buffer.getMappedRange(0, size).slice(0, bytes);
      buffer.unmap();
      this.#giveBack(slot, buffer);
      return copy;
    } catch (error) {
      this.#slots.empty(slot);
      throw error;
    }
  }

  #giveBack(slot: Slot, { size }: GPUBuffer): void {
    if (size > MOST_KEPT_BYTES) this.#slots.empty(slot);
    else this.#slots.give(slot);
  }
}
