import { MAP, USAGE } from './usage.ts';

/** Chunks of large uploads, and the least size of a buffer to read through. */
const CHUNK_BYTES = 4 << 20;
/** What is smaller goes through the queue's own staging. */
const DIRECT_BYTES = 64 << 10;
const UPLOAD_SLOTS = 3;
const READ_SLOTS = 3;

/** Lends one of a few things at a time, in the order of asking. */
class Ring<T> {
  readonly #free: T[];
  readonly #waiting: ((slot: T) => void)[] = [];

  constructor(slots: T[]) {
    this.#free = slots;
  }

  take(): Promise<T> | T {
    const slot = this.#free.pop();
    return slot ?? new Promise((resolve) => this.#waiting.push(resolve));
  }

  give(slot: T): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free.push(slot);
    else next(slot);
  }
}

/**
 * Copies bytes to the device through a few mapped buffers: while the device copies one chunk, the next is being written.
 * At most 12 MiB wait, however much is uploaded.
 */
export class Uploads {
  readonly #device: GPUDevice;
  readonly #ring = new Ring<{ buffer?: GPUBuffer }>(Array.from({ length: UPLOAD_SLOTS }, () => ({})));

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** Work submitted later sees the bytes. `bytes.length` and `offset` are multiples of 4. */
  async write(target: GPUBuffer, offset: number, bytes: Uint8Array<ArrayBufferLike>): Promise<void> {
    if (bytes.length % 4 !== 0 || offset % 4 !== 0) {
      throw new RangeError(`${bytes.length} bytes at ${offset}: a GPU copies multiples of 4 bytes.`);
    }
    if (bytes.length <= DIRECT_BYTES) {
      // memory that other threads share is refused
      this.#device.queue.writeBuffer(target, offset, bytes.slice());
      return;
    }
    for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
      await this.#chunk(target, offset + at, bytes.subarray(at, at + CHUNK_BYTES));
    }
  }

  async #chunk(target: GPUBuffer, offset: number, bytes: Uint8Array): Promise<void> {
    const slot = await this.#ring.take();
    try {
      if (slot.buffer === undefined) {
        const usage = USAGE.mapWrite | USAGE.copySource;
        slot.buffer = this.#device.createBuffer({ size: CHUNK_BYTES, usage, mappedAtCreation: true, label: 'upload' });
      } else {
        await slot.buffer.mapAsync(MAP.write);
      }
      new Uint8Array(slot.buffer.getMappedRange(0, bytes.length)).set(bytes);
      slot.buffer.unmap();
      const encoder = this.#device.createCommandEncoder({ label: 'upload' });
      encoder.copyBufferToBuffer(slot.buffer, 0, target, offset, bytes.length);
      this.#device.queue.submit([encoder.finish()]);
    } finally {
      this.#ring.give(slot);
    }
  }
}

/** One reading of results, in the parts that were asked for. */
export interface Reading {
  readonly buffer: GPUBuffer;
  /** What was copied into the buffer, after it was; the buffer is given back. */
  finish(): Promise<ArrayBuffer>;
  /** Gives the buffer back unread. */
  abandon(): void;
}

/** Lends buffers that results are read through; at most three at once, so that work waits for its reader. */
export class Readbacks {
  readonly #device: GPUDevice;
  readonly #ring = new Ring<{ buffer?: GPUBuffer | undefined }>(Array.from({ length: READ_SLOTS }, () => ({})));

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  async begin(bytes: number): Promise<Reading> {
    const slot = await this.#ring.take();
    try {
      if (slot.buffer === undefined || slot.buffer.size < bytes) {
        slot.buffer?.destroy();
        slot.buffer = undefined;
        const size = Math.max(CHUNK_BYTES, 4 * Math.ceil(bytes / 4));
        const usage = USAGE.mapRead | USAGE.copyTarget;
        slot.buffer = this.#device.createBuffer({ size, usage, label: 'readback' });
      }
    } catch (error) {
      this.#ring.give(slot);
      throw error;
    }
    const { buffer } = slot;
    return {
      buffer,
      finish: async () => {
        try {
          await buffer.mapAsync(MAP.read, 0, 4 * Math.ceil(bytes / 4));
          const copy = buffer.getMappedRange(0, 4 * Math.ceil(bytes / 4)).slice(0, bytes);
          buffer.unmap();
          return copy;
        } finally {
          this.#ring.give(slot);
        }
      },
      abandon: () => this.#ring.give(slot),
    };
  }
}
