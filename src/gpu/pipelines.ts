import { DeviceError } from '../errors.ts';
import { type BufferUse, type Form, formFor, type Kernel, wgslOf } from '../kernels/kernel.ts';
import type { Health } from './health.ts';
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
  readonly #health: Health;
  readonly #variant: Variant;
  /** By kernel, then by form. */
  readonly #programs = new WeakMap<object, Map<object, Promise<Program>>>();

  constructor(device: GPUDevice, health: Health, variant: Variant) {
    this.#device = device;
    this.#health = health;
    this.#variant = variant;
  }

  /**
   * The program for such sizes; one that failed is compiled anew when it is asked for again. Throws DeviceError
   * `GPU_PROGRAM` with the compiler's messages, `DEVICE_LOST`.
   * @param form Default: the first that fits.
   */
  async get<S extends string, B extends string>(
    kernel: Kernel<S, B>,
    sizes: Readonly<Record<S, number>>,
    form: Form<S> = formFor(kernel, this.#variant, sizes),
  ): Promise<Program<S, B>> {
    const forms = this.#programs.get(kernel) ?? new Map<object, Promise<Program>>();
    this.#programs.set(kernel, forms);
    const known = forms.get(form);
    // a program was made from this very kernel and form, whose names it has
    if (known !== undefined) return known as Promise<Program<S, B>>;
    const program = this.#compile(kernel, form);
    forms.set(form, program as unknown as Promise<Program>);
    program.catch(() => forms.delete(form));
    return program;
  }

  async #compile<S extends string, B extends string>(kernel: Kernel<S, B>, form: Form<S>): Promise<Program<S, B>> {
    const label = `${kernel.name}.${form.name}`;
    const code = wgslOf(kernel, form);
    const device = this.#device;
    let module: GPUShaderModule | undefined;
    try {
      const made = await this.#health.accepted(() => {
        module = device.createShaderModule({ label, code });
        const layout = device.createBindGroupLayout({ label, entries: entriesOf(kernel) });
        return { module, layout, pipelineLayout: device.createPipelineLayout({ bindGroupLayouts: [layout] }) };
      });
      const compute = { module: made.module, entryPoint: 'main' };
      const descriptor = { label, layout: made.pipelineLayout, compute };
      const pipeline = await this.#health.orLost(device.createComputePipelineAsync(descriptor));
      this.#health.check();
      return { kernel, form, pipeline, layout: made.layout };
    } catch (cause) {
      this.#health.check();
      const reason = (await this.#messages(module, code)) || (cause instanceof Error ? cause.message : String(cause));
      throw new DeviceError(`The kernel ${label} cannot be compiled: ${reason}`, { code: 'GPU_PROGRAM', cause });
    }
  }

  /** What the compiler says, each with line, column and the line itself. */
  async #messages(module: GPUShaderModule | undefined, code: string): Promise<string> {
    if (module === undefined) return '';
    const lines = code.split('\n');
    const { messages } = await this.#health.orLost(module.getCompilationInfo());
    return messages
      .filter(({ type }) => type === 'error')
      .map(({ message, lineNum, linePos }) => `${lineNum}:${linePos} ${message}\n  ${lines[lineNum - 1] ?? ''}`)
      .join('\n');
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
