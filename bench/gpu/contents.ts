import type { Gpu, Memory } from '../../src/gpu/index.ts';
import type { Values } from '../../src/kernels/runKernel.ts';

/** 32-bit words of memory, and what they hold at first. */
export interface Contents {
  readonly words: number;
  /** Repeated to the end; absent where memory is only written. */
  readonly values?: (() => Values) | undefined;
}

const SAMPLE = 1 << 20;
const CHUNK_BYTES = 16 << 20;

let sample: Float32Array | undefined;

/** Numbers of a normal distribution, the same every time; they repeat after 2^20. */
export function normals(): Float32Array {
  if (sample === undefined) {
    const uniform = uniforms();
    sample = Float32Array.from(
      { length: SAMPLE },
      () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()),
    );
  }
  return sample;
}

/** Numbers between 0 and 1, the same every time. */
export function uniforms(): () => number {
  let state = 1;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
}

/** Memory full of normal numbers. */
export const normal = (words: number): Contents => ({ words, values: normals });

/** Memory that is written before it is read. */
export const scratch = (words: number): Contents => ({ words });

/** Fills memory with values, again and again to the end. */
export async function upload(gpu: Gpu, memory: Memory, values: Values): Promise<void> {
  const { buffer, byteOffset, byteLength } = values;
  for (let at = 0; at < memory.bytes; at += byteLength) {
    const bytes = new Uint8Array(buffer, byteOffset, Math.min(byteLength, memory.bytes - at));
    await gpu.uploads.write(memory.buffer, at, bytes);
  }
}

/** Brings memory back in order, a chunk at a time, while the next one is on its way. */
export async function* readBack(gpu: Gpu, memory: Memory): AsyncGenerator<ArrayBuffer> {
  let coming: Promise<ArrayBuffer> | undefined = chunk(gpu, memory, 0);
  for (let at = 0; coming !== undefined; at += CHUNK_BYTES) {
    const next: Promise<ArrayBuffer> | undefined =
      at + CHUNK_BYTES < memory.bytes ? chunk(gpu, memory, at + CHUNK_BYTES) : undefined;
    yield await coming;
    coming = next;
  }
}

async function chunk(gpu: Gpu, memory: Memory, at: number): Promise<ArrayBuffer> {
  const bytes = Math.min(CHUNK_BYTES, memory.bytes - at);
  const reading = await gpu.readbacks.begin(bytes);
  const commands = gpu.commands();
  commands.read(reading, 0, memory, at, bytes);
  try {
    await commands.submit();
  } catch (error) {
    reading.abandon();
    throw error;
  }
  return gpu.orLost(reading.finish());
}
