import type { Health } from './health.ts';
import { type Slot, Slots } from './slots.ts';
import { MAP, USAGE } from './usage.ts';

const SLOTS = 3;
const SLOT_BYTES = 4 << 20;
/** What is smaller goes through the queue's own staging, which keeps it until something is submitted and done. */
const DIRECT_BYTES = 64 << 10;
const MOST_DIRECT_BYTES = 4 << 20;
/** What the queue's staging takes at the least. */
const LEAST_BYTES = 256;

/**
 * Copies bytes to the device through a few mapped buffers: while the device copies one chunk, the next is being written.
 * At most 16 MiB wait, however much is uploaded and by how many.
 */
export class Uploads {
  readonly #device: GPUDevice;
  readonly #health: Health;
  readonly #slots: Slots;
  #directBytes = 0;
  #flushing: Promise<void> | undefined;

  constructor(device: GPUDevice, health: Health) {
    this.#device = device;
    this.#health = health;
    this.#slots = new Slots(health, SLOTS);
  }

  /**
   * Work that is submitted after this resolves sees the bytes. `bytes.length` and `offset` are multiples of 4.
   * Throws RangeError for bytes that lie outside the target, DeviceError where the device refuses them or is lost.
   */
  async write(target: GPUBuffer, offset: number, bytes: Uint8Array<ArrayBufferLike>): Promise<void> {
    if (bytes.length % 4 !== 0 || offset % 4 !== 0) {
      throw new RangeError(`${bytes.length} bytes at ${offset}: a GPU copies multiples of 4 bytes.`);
    }
    if (!(offset >= 0 && offset + bytes.length <= target.size)) {
      throw new RangeError(`${bytes.length} bytes at ${offset} lie outside ${target.label}, of ${target.size} bytes.`);
    }
    if (bytes.length <= DIRECT_BYTES) return this.#direct(target, offset, bytes);
    for (let at = 0; at < bytes.length; at += SLOT_BYTES) {
      await this.#health.orLost(this.#chunk(target, offset + at, bytes.subarray(at, at + SLOT_BYTES)));
    }
  }

  async #direct(target: GPUBuffer, offset: number, bytes: Uint8Array): Promise<void> {
    while (this.#directBytes >= MOST_DIRECT_BYTES) await this.#flush();
    this.#directBytes += Math.max(LEAST_BYTES, bytes.length);
    await this.#health.accepted(
      () => this.#device.queue.writeBuffer(target, offset, unshared(bytes)),
      () => [target],
    );
  }

  #flush(): Promise<void> {
    this.#flushing ??= (async () => {
      try {
        this.#device.queue.submit([]);
        await this.#health.orLost(this.#device.queue.onSubmittedWorkDone());
      } finally {
        this.#directBytes = 0;
        this.#flushing = undefined;
      }
    })();
    return this.#flushing;
  }

  async #chunk(target: GPUBuffer, offset: number, bytes: Uint8Array): Promise<void> {
    const slot = await this.#slots.take();
    try {
      const staging = await this.#mapped(slot);
      new Uint8Array(staging.getMappedRange(0, bytes.length)).set(bytes);
      staging.unmap();
      await this.#health.accepted(
        () => {
          const encoder = this.#device.createCommandEncoder({ label: 'upload' });
          encoder.copyBufferToBuffer(staging, 0, target, offset, bytes.length);
          this.#device.queue.submit([encoder.finish()]);
        },
        () => [staging, target],
      );
      this.#slots.give(slot);
    } catch (error) {
      this.#slots.empty(slot);
      throw error;
    }
  }

  async #mapped(slot: Slot): Promise<GPUBuffer> {
    if (slot.buffer === undefined) {
      const usage = USAGE.mapWrite | USAGE.copySource;
      slot.buffer = this.#health.createBuffer({ size: SLOT_BYTES, usage, mappedAtCreation: true, label: 'upload' });
    } else {
      await this.#health.map(slot.buffer, MAP.write);
    }
    return slot.buffer;
  }
}

/** Memory that other threads share is refused by the queue. */
function unshared(bytes: Uint8Array<ArrayBufferLike>): Uint8Array<ArrayBuffer> {
  return bytes.buffer instanceof SharedArrayBuffer ? bytes.slice() : (bytes as Uint8Array<ArrayBuffer>);
}
