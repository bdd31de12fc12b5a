import { isMainThread } from 'node:worker_threads';
import { DeviceError } from '../errors.ts';

/** An instance that is collected while one of its devices lives takes the process along: none that has one ever is. */
const held = new Set<GPU>();
const known = new Map<string, GPU>();

/**
 * WebGPU as Dawn implements it, for a list of options (`backend=null`, `adapter=<part of its name>`, ...).
 * Throws DeviceError `WEBGPU_MISSING`, or `GPU_THREAD` in a worker thread: a thread that ends while its GPU is at work
 * aborts the whole process.
 */
export async function dawn(...options: string[]): Promise<GPU> {
  if (!isMainThread) {
    throw new DeviceError('A GPU cannot be used in a worker thread.', {
      code: 'GPU_THREAD',
      hint: 'Use it in the main thread, or in a child process.',
    });
  }
  const { create } = await import('webgpu').catch((cause) => {
    throw new DeviceError('A GPU needs the optional package webgpu.', {
      code: 'WEBGPU_MISSING',
      cause,
      hint: `npm install webgpu@0.6.2 (its library needs glibc 2.34 or newer on Linux): ${cause instanceof Error ? cause.message : cause}`,
    });
  });
  return known.get(keyOf(options)) ?? create(options);
}

/** Keeps an instance for the life of the process; others look for adapters anew each time. */
export function hold(instance: GPU, ...options: string[]): void {
  held.add(instance);
  known.set(keyOf(options), instance);
}

const keyOf = (options: readonly string[]): string => JSON.stringify(options);
