import type { Commands, Gpu, Memory } from '../../gpu/index.ts';

/** Memory of one piece of work on a GPU, all of it given back at once. */
export class Scratch {
  readonly #gpu: Gpu;
  readonly #held: Memory[] = [];

  constructor(gpu: Gpu) {
    this.#gpu = gpu;
  }

  /** Memory for words that the device writes. Throws DeviceError `GPU_MEMORY`, `DEVICE_LOST`. */
  take(label: string, words: number): Memory {
    const memory = this.#gpu.memory.take(4 * Math.max(1, words), label);
    this.#held.push(memory);
    return memory;
  }

  /** Memory with such contents. */
  async put(label: string, words: Float32Array | Int32Array | Uint32Array): Promise<Memory> {
    const memory = this.take(label, words.length);
    if (words.length > 0) {
      const bytes = new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
      await this.#gpu.uploads.write(memory.buffer, 0, bytes);
    }
    return memory;
  }

  /** Memory with bytes, up to a whole word. */
  async putBytes(label: string, bytes: Uint8Array): Promise<Memory> {
    const whole = new Uint32Array(Math.ceil(bytes.length / 4));
    new Uint8Array(whole.buffer).set(bytes);
    return this.put(label, whole);
  }

  /** Does commands and brings memories back, after them. */
  async read(commands: Commands, memories: readonly Memory[]): Promise<ArrayBuffer[]> {
    const reading = await this.#gpu.readbacks.begin(memories.reduce((sum, { bytes }) => sum + bytes, 0));
    let at = 0;
    for (const memory of memories) {
      commands.read(reading, at, memory, 0, memory.bytes);
      at += memory.bytes;
    }
    await this.#gpu.submitRead(commands, reading);
    const all = await this.#gpu.orLost(reading.finish());
    let end = 0;
    return memories.map(({ bytes }) => {
      end += bytes;
      return memories.length === 1 ? all : all.slice(end - bytes, end);
    });
  }

  free(): void {
    for (const memory of this.#held.splice(0)) memory.free();
  }
}
