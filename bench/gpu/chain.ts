import type { Gpu, Memory, Program } from '../../src/gpu/index.ts';
import { USAGE } from '../../src/gpu/usage.ts';
import { type Cost, type Kernel, sizesBytes, writeSizes } from '../../src/kernels/kernel.ts';

/** One dispatch of a chain: what is bound to each buffer of the kernel, by the names of the memory. */
export interface Step {
  readonly kernel: Kernel;
  readonly sizes: Readonly<Record<string, number>>;
  readonly buffers: Readonly<Record<string, string>>;
}

/** A step, checked against the names of its kernel. */
export function step<S extends string, B extends string>(
  kernel: Kernel<S, B>,
  sizes: Readonly<Record<S, number>>,
  buffers: Readonly<Record<B, string>>,
): Step {
  // names of sizes and buffers were checked here and are only looked up from now on
  return { kernel: kernel as unknown as Kernel, sizes, buffers };
}

/** Work of all steps. */
export function costOf(steps: readonly Step[]): Cost {
  const costs = steps.map(({ kernel, sizes }) => kernel.cost(sizes));
  const sum = (of: (cost: Cost) => number): number => costs.reduce((total, cost) => total + of(cost), 0);
  return { bytes: sum(({ bytes }) => bytes), flops: sum(({ flops }) => flops) };
}

const PLACE_BYTES = 256;
const MOST_GROUPS = 65_535;

interface Bound {
  readonly program: Program;
  readonly group: GPUBindGroup;
  readonly workgroups: readonly [number, number];
}

/**
 * Steps with everything bound, to be recorded ahead of the clock and submitted many times: what is timed is the device's
 * work, and not that of making bind groups.
 */
export class Chain {
  readonly #device: GPUDevice;
  readonly #uniforms: GPUBuffer;
  readonly #bound: readonly Bound[];

  private constructor(device: GPUDevice, uniforms: GPUBuffer, bound: readonly Bound[]) {
    this.#device = device;
    this.#uniforms = uniforms;
    this.#bound = bound;
  }

  /** Compiles and binds. Throws DeviceError where the device refuses, TypeError for memory that has no such name. */
  static async open(gpu: Gpu, steps: readonly Step[], memory: ReadonlyMap<string, Memory>): Promise<Chain> {
    const programs = await Promise.all(steps.map(({ kernel, sizes }) => gpu.programs.get(kernel, sizes)));
    const size = PLACE_BYTES * steps.length;
    const usage = USAGE.uniform | USAGE.copyTarget;
    const uniforms = gpu.health.createBuffer({ size, usage, label: 'sizes of a chain' });
    const places = new ArrayBuffer(size);
    for (const [i, { kernel, sizes }] of steps.entries()) {
      writeSizes(kernel, sizes, new DataView(places, i * PLACE_BYTES));
    }
    await gpu.uploads.write(uniforms, 0, new Uint8Array(places));
    const bound = await gpu.health.accepted(
      () => programs.map((program, i) => bind(gpu.device, program, steps[i]!, uniforms, memory)),
      () => [...memory.values()].map(({ buffer }) => buffer),
    );
    return new Chain(gpu.device, uniforms, bound);
  }

  /** Commands that do all steps in order, `times` over; good for one submission. */
  record(times: number): GPUCommandBuffer {
    const encoder = this.#device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    for (let time = 0; time < times; time++) {
      for (const [i, { program, group, workgroups }] of this.#bound.entries()) {
        pass.setPipeline(program.pipeline);
        pass.setBindGroup(0, group, [i * PLACE_BYTES]);
        pass.dispatchWorkgroups(...workgroups);
      }
    }
    pass.end();
    return encoder.finish();
  }

  close(): void {
    this.#uniforms.destroy();
  }
}

function bind(
  device: GPUDevice,
  program: Program,
  { kernel, sizes, buffers }: Step,
  uniforms: GPUBuffer,
  memory: ReadonlyMap<string, Memory>,
): Bound {
  const entries = Object.keys(kernel.buffers).map((name, i): GPUBindGroupEntry => {
    const held = memory.get(buffers[name] ?? '');
    if (held === undefined) throw new TypeError(`${kernel.name}: no memory '${buffers[name]}' for ${name}.`);
    return { binding: i + 1, resource: { buffer: held.buffer } };
  });
  entries.push({ binding: 0, resource: { buffer: uniforms, size: sizesBytes(kernel) } });
  const groups = program.form.workgroups(sizes);
  const lines = Math.ceil(groups / MOST_GROUPS);
  return {
    program,
    group: device.createBindGroup({ layout: program.layout, entries }),
    workgroups: [Math.ceil(groups / lines), lines],
  };
}
