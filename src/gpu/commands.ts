import { DeviceError } from '../errors.ts';
import { sizesBytes, writeSizes } from '../kernels/kernel.ts';
import type { Memory } from './buffers.ts';
import type { Program } from './pipelines.ts';
import type { Profile } from './profile.ts';
import type { Reading } from './staging.ts';
import { USAGE } from './usage.ts';

/** A part of a memory, as a kernel sees it: offset a multiple of 256 bytes. */
export interface Slice {
  readonly memory: Memory;
  readonly offset: number;
  readonly bytes: number;
}

/** Dispatches of one submission: each has its uniforms in a buffer of this many places. */
const MOST_DISPATCHES = 256;
const PLACE_BYTES = 256;
const MOST_GROUPS = 65_535;

interface Dispatch {
  readonly program: Program;
  readonly buffers: Readonly<Record<string, Memory | Slice>>;
  readonly sizes: Readonly<Record<string, number>>;
}

interface Copy {
  readonly from: Memory;
  readonly fromOffset: number;
  readonly to: GPUBuffer;
  readonly toOffset: number;
  readonly bytes: number;
}

type Step = Dispatch | Copy;

/** Where commands of a device go. */
export interface CommandTarget {
  readonly device: GPUDevice;
  /** Uniforms of the submission at hand. */
  readonly uniforms: GPUBuffer;
  readonly profile: Profile | undefined;
  /** The reason why nothing can be computed any more. */
  readonly lost: DeviceError | undefined;
}

/** The buffer that uniforms of every submission are written to, one submission after the other. */
export function uniformBuffer(device: GPUDevice): GPUBuffer {
  const usage = USAGE.uniform | USAGE.copyTarget;
  return device.createBuffer({ size: MOST_DISPATCHES * PLACE_BYTES, usage, label: 'sizes' });
}

/**
 * A list of dispatches and copies, done in order: each sees what those before it wrote. Nothing reaches the device before
 * `submit`.
 */
export class Commands {
  readonly #target: CommandTarget;
  readonly #steps: Step[] = [];

  constructor(target: CommandTarget) {
    this.#target = target;
  }

  /** Adds a dispatch. No buffer that is written may be bound twice. */
  dispatch<S extends string, B extends string>(
    program: Program<S, B>,
    buffers: Readonly<Record<B, Memory | Slice>>,
    sizes: Readonly<Record<S, number>>,
  ): void {
    // names of sizes and buffers were checked here and are only looked up from now on
    this.#steps.push({ program: program as unknown as Program, buffers, sizes });
  }

  copy(from: Memory, fromOffset: number, to: Memory, toOffset: number, bytes: number): void {
    this.#steps.push({ from, fromOffset, to: to.buffer, toOffset, bytes });
  }

  /** Adds a copy into what is read back. */
  read(reading: Reading, readingOffset: number, from: Memory, fromOffset: number, bytes: number): void {
    this.#steps.push({ from, fromOffset, to: reading.buffer, toOffset: readingOffset, bytes });
  }

  /**
   * Hands all steps to the device at once, in submissions of at most 256 dispatches; resolves when the device has accepted
   * them, not when it has done them. Throws DeviceError `GPU_INVALID`, `GPU_MEMORY`, `GPU_FAILED` or `DEVICE_LOST`.
   */
  async submit(): Promise<void> {
    const { device, lost } = this.#target;
    if (lost !== undefined) throw lost;
    for (const filter of FILTERS) device.pushErrorScope(filter);
    let scopes: Promise<GPUError | null>[];
    try {
      for (const steps of submissions(this.#steps.splice(0))) this.#encode(steps);
    } finally {
      scopes = FILTERS.map(() => device.popErrorScope());
    }
    const errors = await Promise.all(scopes).catch(() => []);
    if (this.#target.lost !== undefined) throw this.#target.lost;
    errors.forEach((error, i) => {
      if (error !== null) throw failure(error, FILTERS.at(-1 - i));
    });
  }

  #encode(steps: readonly Step[]): void {
    const { device, uniforms, profile } = this.#target;
    const places = new ArrayBuffer(MOST_DISPATCHES * PLACE_BYTES);
    const encoder = device.createCommandEncoder();
    let pass: GPUComputePassEncoder | undefined;
    let place = 0;
    for (const step of steps) {
      if (!('program' in step)) {
        pass?.end();
        pass = undefined;
        encoder.copyBufferToBuffer(step.from.buffer, step.fromOffset, step.to, step.toOffset, step.bytes);
        continue;
      }
      const { kernel } = step.program;
      writeSizes(kernel, step.sizes, new DataView(places, place));
      if (profile === undefined) {
        pass ??= encoder.beginComputePass();
        dispatch(device, pass, step, uniforms, place);
      } else {
        pass = encoder.beginComputePass(profile.timed(step.program, step.sizes));
        dispatch(device, pass, step, uniforms, place);
        pass.end();
        pass = undefined;
      }
      place += PLACE_BYTES;
    }
    pass?.end();
    if (place > 0) device.queue.writeBuffer(uniforms, 0, places, 0, place);
    profile?.resolve(encoder);
    device.queue.submit([encoder.finish()]);
    profile?.submitted();
  }
}

const FILTERS = ['validation', 'out-of-memory', 'internal'] as const;

function dispatch(
  device: GPUDevice,
  pass: GPUComputePassEncoder,
  { program, buffers, sizes }: Dispatch,
  uniforms: GPUBuffer,
  place: number,
): void {
  const { kernel, form, pipeline, layout } = program;
  const groups = form.workgroups(sizes);
  if (groups === 0) return;
  const entries = Object.keys(kernel.buffers).map((name, i): GPUBindGroupEntry => {
    const bound = buffers[name];
    if (bound === undefined) throw new TypeError(`${kernel.name}: nothing is bound to ${name}.`);
    const resource =
      'memory' in bound
        ? { buffer: bound.memory.buffer, offset: bound.offset, size: bound.bytes }
        : { buffer: bound.buffer };
    return { binding: i + 1, resource };
  });
  entries.push({ binding: 0, resource: { buffer: uniforms, offset: 0, size: sizesBytes(kernel) } });
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, device.createBindGroup({ layout, entries }), [place]);
  const rows = Math.ceil(groups / MOST_GROUPS);
  pass.dispatchWorkgroups(Math.ceil(groups / rows), rows);
}

/** Cuts steps where the places for uniforms are used up. */
function* submissions(steps: readonly Step[]): Iterable<readonly Step[]> {
  let from = 0;
  let dispatches = 0;
  for (const [i, step] of steps.entries()) {
    if ('program' in step && dispatches++ === MOST_DISPATCHES) {
      yield steps.slice(from, i);
      [from, dispatches] = [i, 1];
    }
  }
  if (from < steps.length) yield steps.slice(from);
}

function failure(error: GPUError, filter: GPUErrorFilter | undefined): DeviceError {
  const code = filter === 'validation' ? 'GPU_INVALID' : filter === 'out-of-memory' ? 'GPU_MEMORY' : 'GPU_FAILED';
  return new DeviceError(`The GPU refused work: ${error.message.trim()}`, {
    code,
    hint: code === 'GPU_MEMORY' ? 'Give a smaller --gpu-memory, pieces or batches.' : undefined,
  });
}
