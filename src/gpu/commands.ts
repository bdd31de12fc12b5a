import { sizesBytes, writeSizes } from '../kernels/kernel.ts';
import type { Memory } from './buffers.ts';
import type { Health } from './health.ts';
import type { Program } from './pipelines.ts';
import type { Profile, TimedSubmission } from './profile.ts';
import type { Reading } from './readbacks.ts';
import { USAGE } from './usage.ts';

/** A part of a memory, as a kernel sees it: offset a multiple of 256 bytes. */
export interface Slice {
  readonly memory: Memory;
  readonly offset: number;
  readonly bytes: number;
}

/** Dispatches of one submission: each has its uniforms in a buffer of this many places. */
export const MOST_DISPATCHES = 256;
const PLACE_BYTES = 256;
/** Workgroups of one dimension of a dispatch. */
const MOST_GROUPS = 65_535;

interface Dispatch {
  readonly program: Program;
  readonly sizes: Readonly<Record<string, number>>;
  /** The sizes as the program reads them. */
  readonly uniforms: Uint8Array<ArrayBuffer>;
  readonly resources: readonly GPUBufferBinding[];
  readonly groups: readonly [x: number, y: number];
}

interface Copy {
  readonly from: GPUBuffer;
  readonly fromOffset: number;
  readonly to: GPUBuffer;
  readonly toOffset: number;
  readonly bytes: number;
}

type Step = Dispatch | Copy;

/** Where commands of a device go. */
export interface CommandTarget {
  readonly device: GPUDevice;
  readonly health: Health;
  /** Uniforms of the submission at hand. */
  readonly uniforms: GPUBuffer;
  readonly profile: Profile | undefined;
}

/** The buffer that uniforms of every submission are written to, one submission after the other. */
export function uniformBuffer(health: Health): GPUBuffer {
  const usage = USAGE.uniform | USAGE.copyTarget;
  return health.createBuffer({ size: MOST_DISPATCHES * PLACE_BYTES, usage, label: 'sizes' });
}

/**
 * A list of dispatches and copies, done in order: each sees what those before it wrote. Nothing reaches the device before
 * `submit`.
 */
export class Commands {
  readonly #target: CommandTarget;
  #steps: Step[] = [];

  constructor(target: CommandTarget) {
    this.#target = target;
  }

  /**
   * Adds a dispatch. No buffer that is written may be bound twice. Of a form's workgroups a few more may run, to fill up two
   * dimensions. Throws TypeError for a buffer that is missing, RangeError for sizes that the program does not fit.
   */
  dispatch<S extends string, B extends string>(
    program: Program<S, B>,
    buffers: Readonly<Record<B, Memory | Slice>>,
    sizes: Readonly<Record<S, number>>,
  ): void {
    // names of sizes and buffers were checked here and are only looked up from now on
    const step = dispatchOf(program as unknown as Program, buffers, sizes);
    if (step !== undefined) this.#steps.push(step);
  }

  /** Adds a copy within the device; offsets and bytes are multiples of 4. */
  copy(from: Memory, fromOffset: number, to: Memory, toOffset: number, bytes: number): void {
    this.#steps.push({ from: from.buffer, fromOffset, to: to.buffer, toOffset, bytes });
  }

  /** Adds a copy into what is read back. */
  read(reading: Reading, readingOffset: number, from: Memory, fromOffset: number, bytes: number): void {
    this.#steps.push({ from: from.buffer, fromOffset, to: reading.buffer, toOffset: readingOffset, bytes });
  }

  /**
   * Hands all steps to the device at once, in submissions of at most 256 dispatches; resolves when the device has accepted
   * them, not when it has done them. Throws DeviceError `GPU_INVALID`, `GPU_MEMORY`, `GPU_FAILED` or `DEVICE_LOST`; parts
   * of the work may have been done then.
   */
  async submit(): Promise<void> {
    const steps = this.#steps;
    this.#steps = [];
    const { health, profile } = this.#target;
    const timed: TimedSubmission[] = [];
    try {
      await health.accepted(
        () => {
          for (const part of submissions(steps)) {
            const times = profile?.submission();
            if (times !== undefined) timed.push(times);
            this.#encode(part, times);
          }
        },
        () => buffersOf(steps),
      );
      for (const times of timed) times.read();
    } catch (error) {
      for (const times of timed) times.drop();
      throw error;
    }
  }

  #encode(steps: readonly Step[], timed: TimedSubmission | undefined): void {
    const { device, uniforms } = this.#target;
    const encoder = device.createCommandEncoder();
    const places = new Uint8Array(PLACE_BYTES * steps.filter(isDispatch).length);
    let pass: GPUComputePassEncoder | undefined;
    let place = 0;
    for (const step of steps) {
      if (pass !== undefined && (timed !== undefined || !isDispatch(step))) {
        pass.end();
        pass = undefined;
      }
      if (isDispatch(step)) {
        places.set(step.uniforms, place);
        pass ??= encoder.beginComputePass(timed?.pass(step.program, step.sizes));
        encodeDispatch(device, pass, step, uniforms, place);
        place += PLACE_BYTES;
      } else {
        encoder.copyBufferToBuffer(step.from, step.fromOffset, step.to, step.toOffset, step.bytes);
      }
    }
    pass?.end();
    if (place > 0) device.queue.writeBuffer(uniforms, 0, places);
    timed?.resolve(encoder);
    device.queue.submit([encoder.finish()]);
  }
}

/** Undefined where there is nothing to do. */
function dispatchOf(
  program: Program,
  buffers: Readonly<Record<string, Memory | Slice>>,
  sizes: Readonly<Record<string, number>>,
): Dispatch | undefined {
  const { kernel, form } = program;
  const uniforms = new Uint8Array(sizesBytes(kernel));
  writeSizes(kernel, sizes, new DataView(uniforms.buffer));
  const groups = form.workgroups(sizes);
  const rows = Math.ceil(groups / MOST_GROUPS);
  if (!Number.isInteger(groups) || groups < 0 || rows > MOST_GROUPS || !(form.fits?.(sizes) ?? true)) {
    throw new RangeError(`${kernel.name}.${form.name} does not fit ${JSON.stringify(sizes)}.`);
  }
  const resources = Object.keys(kernel.buffers).map((name): GPUBufferBinding => {
    const bound = buffers[name];
    if (bound === undefined) throw new TypeError(`${kernel.name}: nothing is bound to ${name}.`);
    if (!('memory' in bound)) return { buffer: bound.buffer };
    return { buffer: bound.memory.buffer, offset: bound.offset, size: bound.bytes };
  });
  return groups === 0 ? undefined : { program, sizes, uniforms, resources, groups: [Math.ceil(groups / rows), rows] };
}

function encodeDispatch(
  device: GPUDevice,
  pass: GPUComputePassEncoder,
  { program, resources, uniforms: { length: size }, groups }: Dispatch,
  uniforms: GPUBuffer,
  place: number,
): void {
  const entries = [{ buffer: uniforms, offset: 0, size }, ...resources].map((resource, binding) => ({
    binding,
    resource,
  }));
  pass.setPipeline(program.pipeline);
  pass.setBindGroup(0, device.createBindGroup({ layout: program.layout, entries }), [place]);
  pass.dispatchWorkgroups(...groups);
}

const isDispatch = (step: Step): step is Dispatch => 'program' in step;

/** Cuts steps where the places for uniforms are used up. */
function* submissions(steps: readonly Step[]): Iterable<readonly Step[]> {
  let from = 0;
  let dispatches = 0;
  for (const [i, step] of steps.entries()) {
    if (isDispatch(step) && dispatches++ === MOST_DISPATCHES) {
      yield steps.slice(from, i);
      [from, dispatches] = [i, 1];
    }
  }
  if (from < steps.length) yield steps.slice(from);
}

function* buffersOf(steps: readonly Step[]): Iterable<GPUBuffer> {
  for (const step of steps) {
    if (isDispatch(step)) yield* step.resources.map(({ buffer }) => buffer);
    else yield* [step.from, step.to];
  }
}
