import type { Gpu, Memory } from '../../src/gpu/index.ts';
import { type Kernel, kernel } from '../../src/kernels/kernel.ts';

/** `data[i] = data[i] * factor + term`, a workgroup to an element: dispatches that are out of order give other numbers. */
export const scaleAndAdd = kernel({
  name: 'scale_and_add',
  sizes: { count: 'u32', factor: 'u32', term: 'u32' },
  buffers: { data: { access: 'read_write', elements: 'u32' } },
  forms: [
    {
      name: 'invocation',
      code: `
@compute @workgroup_size(1)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) count: vec3<u32>) {
  let at = group(id, count);
  if (at < sizes.count) { data[at] = data[at] * sizes.factor + sizes.term; }
}`,
      workgroups: ({ count }) => count,
    },
  ],
  cost: ({ count }) => ({ bytes: 8 * count, flops: 2 * count }),
});

/** A kernel with a mistake in the WGSL. */
export const brokenKernel: Kernel<'count', 'data'> = kernel({
  name: 'broken',
  sizes: { count: 'u32' },
  buffers: { data: { access: 'read_write', elements: 'u32' } },
  forms: [
    {
      name: 'typo',
      code: '@compute @workgroup_size(1)\nfn main() { data[0] = sizes.cuont; }',
      workgroups: ({ count }) => count,
    },
  ],
  cost: () => ({ bytes: 0, flops: 0 }),
});

export const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'no error',
    (error) => error.code ?? String(error),
  );

/** The words of a memory. */
export async function wordsOf(gpu: Gpu, memory: Memory): Promise<Uint32Array> {
  const reading = await gpu.readbacks.begin(memory.bytes);
  const commands = gpu.commands();
  commands.read(reading, 0, memory, 0, memory.bytes);
  await commands.submit();
  return new Uint32Array(await reading.finish());
}
