import { DeviceError } from '../errors.ts';
import { type BufferUse, type Form, formFor, type Kernel, wgslOf } from '../kernels/kernel.ts';
import { COMPUTE_STAGE } from './usage.ts';
import type { Variant } from './variant.ts';

/** A kernel in the form that a device runs, compiled. */
export interface Program<S extends string = string, B extends string = string> {
  readonly kernel: Kernel<S, B>;
  readonly form: Form<S>;
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

/** Compiles every form of a kernel once, also when many ask for it at the same time. */
export class Pipelines {
  readonly #device: GPUDevice;
  readonly #variant: Variant;
  readonly #programs = new Map<string, Promise<Program>>();

  constructor(device: GPUDevice, variant: Variant) {
    this.#device = device;
    this.#variant = variant;
  }

  /**
   * The program for such sizes. Throws DeviceError `GPU_PROGRAM` with the compiler's messages.
   * @param form Default: the first that fits.
   */
  get<S extends string, B extends string>(
    kernel: Kernel<S, B>,
    sizes: Readonly<Record<S, number>>,
    form: Form<S> = formFor(kernel, this.#variant, sizes),
  ): Promise<Program<S, B>> {
    const label = `${kernel.name}.${form.name}`;
    let program = this.#programs.get(label);
    if (program === undefined) {
      program = this.#compile(label, kernel, form);
      this.#programs.set(label, program);
      program.catch(() => this.#programs.delete(label));
    }
    return program as Promise<Program<S, B>>;
  }

  async #compile<S extends string, B extends string>(
    label: string,
    kernel: Kernel<S, B>,
    form: Form<S>,
  ): Promise<Program<S, B>> {
    const code = wgslOf(kernel, form);
    const layout = this.#device.createBindGroupLayout({ label, entries: entriesOf(kernel) });
    const module = this.#device.createShaderModule({ label, code });
    try {
      const pipeline = await this.#device.createComputePipelineAsync({
        label,
        layout: this.#device.createPipelineLayout({ bindGroupLayouts: [layout] }),
        compute: { module, entryPoint: 'main' },
      });
      return { kernel, form, pipeline, layout };
    } catch (cause) {
      throw new DeviceError(await reasonOf(label, code, module, cause), { code: 'GPU_PROGRAM', cause });
    }
  }
}

function entriesOf<S extends string, B extends string>({ buffers }: Kernel<S, B>): GPUBindGroupLayoutEntry[] {
  const visibility = COMPUTE_STAGE;
  const storage = Object.values<BufferUse>(buffers).map(
    ({ access }, i): GPUBindGroupLayoutEntry => ({
      binding: i + 1,
      visibility,
      buffer: { type: access === 'read' ? 'read-only-storage' : 'storage' },
    }),
  );
  return [{ binding: 0, visibility, buffer: { type: 'uniform', hasDynamicOffset: true } }, ...storage];
}

async function reasonOf(label: string, code: string, module: GPUShaderModule, cause: unknown): Promise<string> {
  const lines = code.split('\n');
  const { messages } = await module.getCompilationInfo().catch(() => ({ messages: [] }));
  const said = messages
    .filter(({ type }) => type === 'error')
    .map(({ message, lineNum, linePos }) => `${lineNum}:${linePos} ${message}\n  ${lines[lineNum - 1] ?? ''}`);
  const reason = said.length > 0 ? said.join('\n') : cause instanceof Error ? cause.message : String(cause);
  return `The kernel ${label} cannot be compiled: ${reason}`;
}
