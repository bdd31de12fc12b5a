import { DeviceError } from '../errors.ts';
import { elementForms } from '../kernels/elements.ts';
import { type Kernel, kernel } from '../kernels/kernel.ts';
import { matmul } from '../kernels/matmul/matmul.ts';
import type { Memory } from './buffers.ts';
import { Commands } from './commands.ts';
import type { Gpu } from './gpu.ts';

/** The best that a device does, measured on it. */
export interface Ceilings {
  /** Of a copy within its memory, bytes read and written. */
  readonly copyBytesPerSecond: number;
  /** Of a product of float32 matrices; an addition and a multiplication count as two. */
  readonly flopsPerSecond: number;
}

/** Bytes to copy, more than caches hold, and edges of square matrices, in the order of size. */
const HARDWARE = { bytes: 128 << 20, edges: [512, 2048] } as const;
const SOFTWARE = { bytes: 4 << 20, edges: [64, 256] } as const;
const LEAST_BYTES = 64 << 10;
const ROUNDS = 5;
/** One submission takes about as long, so that submitting counts for little. */
const SUBMISSION_SECONDS = 0.02;
const MOST_REPEATS = 64;

const copy: Kernel<'count', 'input' | 'output'> = kernel({
  name: 'copy',
  sizes: { count: 'u32' },
  buffers: { input: { access: 'read', elements: 'f32' }, output: { access: 'read_write', elements: 'f32' } },
  forms: elementForms<'count'>({
    code: 'fn element(at: u32) { if (at < sizes.count / WIDTH) { output[at] = input[at]; } }',
    count: ({ count }) => count,
    aligned: ({ count }) => count,
  }),
  cost: ({ count }) => ({ bytes: 8 * count, flops: 0 }),
});

/**
 * Measures for about a second at most, on a device that does nothing else; it does not count in the device's profile. With
 * little of the memory budget left it measures on less memory. Throws DeviceError `GPU_MEMORY` where there is next to none,
 * `DEVICE_LOST`.
 */
export async function measureCeilings(gpu: Gpu): Promise<Ceilings> {
  const { bytes, edges } = gpu.variant.software ? SOFTWARE : HARDWARE;
  return { copyBytesPerSecond: await copyRate(gpu, bytes), flopsPerSecond: await productRate(gpu, edges) };
}

async function copyRate(gpu: Gpu, bytes: number): Promise<number> {
  const sizes = { count: bytes / 4 };
  const program = await gpu.programs.get(copy, sizes);
  try {
    return await withMemory(gpu, { input: bytes, output: bytes }, async (memory) => {
      const rate = await timesPerSecond(gpu, (commands) => commands.dispatch(program, memory, sizes));
      return 2 * bytes * rate;
    });
  } catch (error) {
    if (!isLackOfMemory(error) || bytes <= LEAST_BYTES) throw error;
    return copyRate(gpu, bytes / 2);
  }
}

async function productRate(gpu: Gpu, edges: readonly number[]): Promise<number> {
  let best = 0;
  for (const edge of edges) {
    const sizes = { rows: edge, inputs: edge, outputs: edge, accumulate: 0 };
    const program = await gpu.programs.get(matmul('f32'), sizes);
    const bytes = 4 * edge ** 2;
    try {
      const rate = await withMemory(gpu, { input: bytes, weights: bytes, scales: 4, output: bytes }, async (memory) => {
        for (const { buffer } of [memory.input, memory.weights]) await fill(gpu, buffer, edge);
        return timesPerSecond(gpu, (commands) => commands.dispatch(program, memory, sizes));
      });
      best = Math.max(best, 2 * edge ** 3 * rate);
    } catch (error) {
      if (!isLackOfMemory(error) || best === 0) throw error;
    }
  }
  return best;
}

/** Numbers of a matrix, row by row: arithmetic with zeros takes less power, and more of it may be done in a second. */
async function fill(gpu: Gpu, matrix: GPUBuffer, edge: number): Promise<void> {
  const rows = Float32Array.from({ length: 16 * edge }, (_, i) => Math.sin(i));
  for (let at = 0; at < matrix.size; at += rows.byteLength) {
    await gpu.uploads.write(matrix, at, new Uint8Array(rows.buffer, 0, Math.min(rows.byteLength, matrix.size - at)));
  }
}

async function withMemory<N extends string, T>(
  gpu: Gpu,
  bytes: Readonly<Record<N, number>>,
  use: (memory: Readonly<Record<N, Memory>>) => Promise<T>,
): Promise<T> {
  const taken = {} as Record<N, Memory>;
  try {
    for (const name of Object.keys(bytes) as N[]) taken[name] = gpu.memory.take(bytes[name], `ceiling: ${name}`, true);
    return await use(taken);
  } finally {
    for (const memory of Object.values<Memory>(taken)) memory.free();
  }
}

/** How often work is done in a second, at the best. */
async function timesPerSecond(gpu: Gpu, add: (commands: Commands) => void): Promise<number> {
  const { device, health, uniforms } = gpu;
  const rate = async (repeats: number): Promise<number> => {
    const commands = new Commands({ device, health, uniforms, profile: undefined });
    for (let i = 0; i < repeats; i++) add(commands);
    await gpu.done();
    const begun = performance.now();
    await commands.submit();
    await gpu.done();
    return (1e3 * repeats) / (performance.now() - begun);
  };
  // the first time may still be getting ready
  await rate(1);
  let best = await rate(1);
  const repeats = Math.max(1, Math.min(MOST_REPEATS, Math.ceil(SUBMISSION_SECONDS * best)));
  for (let round = 0; round < ROUNDS; round++) best = Math.max(best, await rate(repeats));
  return best;
}

const isLackOfMemory = (error: unknown): boolean => error instanceof DeviceError && error.code === 'GPU_MEMORY';
