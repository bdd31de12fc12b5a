import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Gpu } from '../../src/gpu/index.ts';
import { type Form, type Kernel, kernel } from '../../src/kernels/kernel.ts';
import { brokenKernel, codeOf, scaleAndAdd } from './kernels.ts';

const SIZES = { count: 1, factor: 1, term: 1 };

let gpu: Gpu;
let compiled = 0;
beforeEach(async () => {
  gpu = await Gpu.open({ adapter: 'null' });
  compiled = 0;
  const { device } = gpu;
  const compile = device.createComputePipelineAsync.bind(device);
  device.createComputePipelineAsync = (descriptor) => {
    compiled++;
    return compile(descriptor);
  };
});
afterEach(() => gpu.close());

/** A kernel of one form with such code and so many buffers. */
const kernelOf = (code: string, buffers = 1): Kernel =>
  kernel({
    name: 'given',
    sizes: { count: 'u32' },
    buffers: Object.fromEntries(
      Array.from({ length: buffers }, (_, i) => [`data${i}`, { access: 'read_write', elements: 'u32' }] as const),
    ),
    forms: [{ name: 'form', code, workgroups: () => 1 }],
    cost: () => ({ bytes: 0, flops: 0 }),
  });

describe('a program', () => {
  it('is compiled once, also when many ask at the same time', async () => {
    const programs = await Promise.all(Array.from({ length: 5 }, () => gpu.programs.get(scaleAndAdd, SIZES)));
    programs.push(await gpu.programs.get(scaleAndAdd, { ...SIZES, count: 7 }));
    expect(new Set(programs).size).toBe(1);
    expect(compiled).toBe(1);
  });

  it('is one for each kernel and form, whatever their names', async () => {
    const [form] = scaleAndAdd.forms as readonly [Form];
    const other = { ...form };
    const twin = { ...scaleAndAdd };
    const programs = [
      await gpu.programs.get(scaleAndAdd, SIZES),
      await gpu.programs.get(scaleAndAdd, SIZES, other),
      await gpu.programs.get(twin, SIZES),
    ];
    expect(new Set(programs).size).toBe(3);
    expect(programs.map((program) => program.form)).toEqual([form, other, form]);
  });

  it('with a mistake is refused with line, column and what is wrong, and the device goes on', async () => {
    const error = await gpu.programs.get(brokenKernel, { count: 1 }).catch((reason) => reason);
    expect(error).toMatchObject({ name: 'DeviceError', code: 'GPU_PROGRAM' });
    expect(error.message).toMatch(
      /^The kernel broken\.typo cannot be compiled: \d+:\d+ .*cuont.*\n {2}fn main\(\) \{ data\[0\] = sizes\.cuont; \}$/,
    );
    const line = Number(/compiled: (\d+):/.exec(error.message)?.[1]);
    const { wgslOf } = await import('../../src/kernels/kernel.ts');
    expect(wgslOf(brokenKernel, brokenKernel.forms[0]!).split('\n')[line - 1]).toContain('cuont');
    expect(gpu.lost).toBeUndefined();
    expect(await codeOf(gpu.programs.get(scaleAndAdd, SIZES))).toBe('no error');
  });

  it('that failed is tried again', async () => {
    const { device } = gpu;
    const compile = device.createComputePipelineAsync.bind(device);
    device.createComputePipelineAsync = async () => Promise.reject(new Error('the driver is busy'));
    const both = [gpu.programs.get(scaleAndAdd, SIZES), gpu.programs.get(scaleAndAdd, SIZES)];
    expect(await Promise.all(both.map(codeOf))).toEqual(['GPU_PROGRAM', 'GPU_PROGRAM']);
    device.createComputePipelineAsync = compile;
    expect(await codeOf(gpu.programs.get(scaleAndAdd, SIZES))).toBe('no error');
  });

  it.each([
    ['has no main', 'fn other() {}', 1, /main/],
    ['has too many invocations', '@compute @workgroup_size(1024, 8) fn main() {}', 1, /limit|exceed/],
    ['has more buffers than the device binds', '@compute @workgroup_size(1) fn main() {}', 200, /storage/i],
    [
      'waits for others in only some invocations',
      `@compute @workgroup_size(64) fn main(@builtin(local_invocation_index) lane: u32) {
        if (lane == 0u) { workgroupBarrier(); } }`,
      1,
      /uniform/,
    ],
  ])('that %s is refused with the reason, and the device goes on', async (_, code, buffers, reason) => {
    const error = await gpu.programs.get(kernelOf(code, buffers), { count: 1 }).catch((found) => found);
    expect(error).toMatchObject({ code: 'GPU_PROGRAM' });
    expect(error.message).toMatch(reason);
    expect(gpu.lost).toBeUndefined();
  });

  it('is not to be had on a lost device', async () => {
    const waiting = codeOf(gpu.programs.get(scaleAndAdd, SIZES));
    gpu.close();
    expect(await waiting).toBe('DEVICE_LOST');
    expect(await codeOf(gpu.programs.get(scaleAndAdd, SIZES))).toBe('DEVICE_LOST');
  });
});
