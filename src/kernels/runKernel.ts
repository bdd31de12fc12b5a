import type { Gpu } from '../gpu/gpu.ts';
import type { Form, Kernel } from './kernel.ts';

/** Contents of a buffer: 32-bit values, or bytes packed into them. */
export type Values = Float32Array | Uint32Array | Int32Array | Uint8Array;

/**
 * Runs one dispatch on values from memory and brings all written buffers back: for tests and small jobs, since uploads,
 * compiling and reading back cost more than most dispatches. Throws DeviceError.
 *
 *     const { entropies } = await runKernel(gpu, entropy, { rows: 2, columns: 260 }, { logits, entropies: new Float32Array(2) });
 */
export async function runKernel<S extends string, B extends string, V extends Readonly<Record<B, Values>>>(
  gpu: Gpu,
  kernel: Kernel<S, B>,
  sizes: Readonly<Record<S, number>>,
  buffers: V,
  form?: Form<S>,
): Promise<V> {
  const program = await gpu.programs.get(kernel, sizes, form);
  const names = Object.keys(kernel.buffers) as B[];
  const memory = {} as Record<B, ReturnType<typeof gpu.memory.take>>;
  try {
    for (const name of names) {
      const bytes = bytesOf(buffers[name]);
      memory[name] = gpu.memory.take(bytes.length, `${kernel.name}.${name}`, true);
      await gpu.uploads.write(memory[name].buffer, 0, bytes);
    }
    const written = names.filter((name) => kernel.buffers[name].access === 'read_write');
    const reading = await gpu.readbacks.begin(written.reduce((sum, name) => sum + memory[name].bytes, 0));
    const commands = gpu.commands();
    commands.dispatch(program, memory, sizes);
    let at = 0;
    for (const name of written) {
      commands.read(reading, at, memory[name], 0, memory[name].bytes);
      at += memory[name].bytes;
    }
    await gpu.submitRead(commands, reading);
    const results = await gpu.orLost(reading.finish());
    const found: Record<B, Values> = { ...buffers };
    at = 0;
    for (const name of written) {
      found[name] = like(buffers[name], results.slice(at, at + buffers[name].byteLength));
      at += memory[name].bytes;
    }
    return found as V;
  } finally {
    for (const name of names) memory[name]?.free();
  }
}

/** Padded to whole words, as a GPU copies them. */
function bytesOf({ buffer, byteOffset, byteLength }: Values): Uint8Array {
  const bytes = new Uint8Array(buffer, byteOffset, byteLength);
  if (byteLength % 4 === 0 && byteLength > 0) return bytes;
  const padded = new Uint8Array(Math.max(4, 4 * Math.ceil(byteLength / 4)));
  padded.set(bytes);
  return padded;
}

function like(values: Values, buffer: ArrayBuffer): Values {
  if (values instanceof Float32Array) return new Float32Array(buffer);
  if (values instanceof Uint32Array) return new Uint32Array(buffer);
  if (values instanceof Int32Array) return new Int32Array(buffer);
  return new Uint8Array(buffer);
}
