import { ModelError } from '../../errors.ts';
import { type Ceilings, measureCeilings } from '../../gpu/ceilings.ts';
import { type Commands, Gpu, type GpuOptions, type Memory } from '../../gpu/index.ts';
import { anglesOf, attention } from '../../kernels/index.ts';
import type { ModelConfig } from '../config.ts';
import type { DeviceResult, DeviceTask, DeviceTimes } from '../devices/deviceProtocol.ts';
import type { ModelFile } from '../modelFile.ts';
import { RopeTable } from '../rope.ts';
import { type BatchLayout, layoutOf } from './batchLayout.ts';
import { type BatchMemory, ForwardPrograms, TABLES } from './forwardPrograms.ts';
import { type GpuPlan, planMemory, slotLayerBytes, tokenFloats } from './gpuPlan.ts';
import type { BatchSession } from './gpuQueue.ts';
import { GpuWeights } from './gpuWeights.ts';
import { poolStates } from './poolStates.ts';
import { ResultReading } from './resultReading.ts';
import type { GpuWeightForm } from './weightForm.ts';

/** One pass, and where the document's keys and values lie. */
export interface GpuPass {
  readonly task: DeviceTask;
  readonly past: number;
  /** Rows that the document has carried on in all so far. */
  readonly written: number;
  /** Absent where it has none and carries none on. */
  readonly slot: number | undefined;
}

export interface GpuSessionOptions extends GpuOptions {
  readonly weights?: GpuWeightForm | undefined;
}

/** A batch that the device has been told to compute. */
interface Submitted {
  results(): Promise<Omit<DeviceResult, 'nextRows'>[]>;
  /** To be pooled, and freed then; absent where nothing is. */
  readonly states: Memory | undefined;
  readonly rows: number;
}

/**
 * The whole model on one GPU: weights uploaded once, batches of passes of different documents, keys and values in rings on
 * the device. Only what a pass asks for comes back. Bits of a document do not depend on its company.
 */
export class GpuSession implements BatchSession {
  readonly gpu: Gpu;
  readonly slots: number;
  readonly batchTokens: number;
  readonly mostPieceTokens: number;
  readonly #config: ModelConfig;
  readonly #weights: GpuWeights;
  readonly #programs: ForwardPrograms;
  readonly #rope: RopeTable;
  /** Of each layer f32[slots, 2, window - 1, kvHeads * headDim]. */
  readonly #carried: readonly Memory[];
  #turn: Promise<unknown> = Promise.resolve();
  #ceilings: Ceilings | undefined;

  private constructor(
    gpu: Gpu,
    config: ModelConfig,
    weights: GpuWeights,
    programs: ForwardPrograms,
    { slots, batchTokens, mostPieceTokens }: GpuPlan,
  ) {
    this.gpu = gpu;
    this.slots = slots;
    this.batchTokens = batchTokens;
    this.mostPieceTokens = mostPieceTokens;
    this.#config = config;
    this.#weights = weights;
    this.#programs = programs;
    this.#rope = new RopeTable(config.headDim, config.ropeTheta);
    // a window of one carries nothing, and something must be bound: a vector at least
    const bytes = Math.max(16, slots * slotLayerBytes(config));
    this.#carried = weights.layers.map((_, layer) => gpu.memory.take(bytes, `carried keys of layer ${layer}`, true));
  }

  /**
   * Throws DeviceError where there is no such device or too little memory on it, ModelError `MODEL_FILE`, or
   * `MODEL_UNSUPPORTED` for heads that the kernel of attention does not take.
   */
  static async open(
    file: ModelFile,
    { weights: form = 'f32', ...options }: GpuSessionOptions = {},
  ): Promise<GpuSession> {
    const { config } = file;
    requireHeads(file);
    const gpu = await Gpu.open(options);
    try {
      const weights = await GpuWeights.load(gpu, file, form);
      const { held, budget } = gpu.memory.counts;
      const { maxBufferSize, maxStorageBufferBindingSize } = gpu.device.limits;
      const bindingBytes = Math.min(maxBufferSize, maxStorageBufferBindingSize);
      const plan = planMemory(config, { bytes: budget - held, bindingBytes });
      const session = new GpuSession(gpu, config, weights, await ForwardPrograms.compile(gpu, config), plan);
      await session.#requireMemory();
      return session;
    } catch (error) {
      gpu.close();
      throw error;
    }
  }

  /** Computes a batch. At most `batchTokens` tokens, or one pass. */
  async run(passes: readonly GpuPass[]): Promise<DeviceResult[]> {
    const tasks = passes.map(({ task }) => task);
    const { results, states, rows } = await this.#inTurn(() => this.#submit(passes, tasks));
    try {
      const found = await results();
      const pooled =
        states && (await this.#inTurn(() => poolStates(this.gpu, this.#programs, { states, rows }, tasks, found)));
      const means = await pooled?.();
      return found.map((result, i) => ({ ...result, pooled: means?.[i], nextRows: this.#nextRows(passes[i]) }));
    } finally {
      states?.free();
    }
  }

  /** One batch at a time has memory for its states: what the device is told later it does later. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => {});
    return done;
  }

  async #submit(passes: readonly GpuPass[], tasks: readonly DeviceTask[]): Promise<Submitted> {
    const { window, headDim } = this.#config;
    const layout = layoutOf(
      passes.map(({ task, ...pass }) => ({ ...pass, ...task })),
      this.#rope,
      { headDim, ringRows: window - 1 },
    );
    const taken: Memory[] = [];
    let states: Memory | undefined;
    try {
      const memory = await this.#activations(layout, taken);
      const commands = this.gpu.commands();
      await this.#turnBack(commands, passes, taken);
      const carries = passes.some(({ slot }) => slot !== undefined);
      this.#programs.forward(commands, layout, memory, this.#weights, this.#carried, carries);
      const results = await new ResultReading(tasks, this.#config).submit(this.gpu, commands, memory);
      if (tasks.some(({ pool }) => pool !== undefined)) states = memory.states;
      return { results, states, rows: layout.count };
    } finally {
      for (const memory of taken) if (memory !== states) memory.free();
    }
  }

  async store(slot: number): Promise<readonly Uint8Array[]> {
    const bytes = slotLayerBytes(this.#config);
    const stored: Uint8Array[] = [];
    for (const layer of this.#carried) {
      const reading = await this.gpu.readbacks.begin(bytes);
      const commands = this.gpu.commands();
      commands.read(reading, 0, layer, slot * bytes, bytes);
      await this.gpu.submitRead(commands, reading);
      stored.push(new Uint8Array(await this.gpu.orLost(reading.finish())));
    }
    return stored;
  }

  async restore(slot: number, stored: readonly Uint8Array[]): Promise<void> {
    for (const [layer, rows] of stored.entries()) {
      const memory = this.#carried[layer];
      if (memory !== undefined) await this.gpu.uploads.write(memory.buffer, slot * rows.length, rows);
    }
  }

  /** Times of all kernels so far. Throws ModelError `NO_TIMES` where it was not opened to be timed. */
  async times(): Promise<DeviceTimes> {
    const { profile } = this.gpu;
    if (profile === undefined) throw new ModelError('The GPU was not opened to be timed.', { code: 'NO_TIMES' });
    const kernels = await profile.times();
    // between batches: while one is prepared, its memory is spoken for
    const ceilings = await this.#inTurn(async () => {
      this.#ceilings ??= await measureCeilings(this.gpu);
      return this.#ceilings;
    });
    return { device: this.gpu.info.name, kernels, ceilings };
  }

  close(): void {
    this.gpu.close();
  }

  /** Rows that a pass leaves behind for the next one of its document. */
  #nextRows(pass: GpuPass | undefined): number {
    if (!pass?.task.carry) return 0;
    return Math.min(pass.past + pass.task.tokens.length, this.#config.window - 1);
  }

  /** The budget may be more than the device has: that is heard now, and not amid a run. */
  async #requireMemory(): Promise<void> {
    const taken: Memory[] = [];
    try {
      for (const [name, floats] of Object.entries(tokenFloats(this.#config))) {
        taken.push(this.gpu.memory.take(4 * this.batchTokens * floats, name));
      }
      for (const { buffer } of [...this.#carried, ...taken]) {
        const refusal = await this.gpu.orLost(this.gpu.health.refusalOf(buffer));
        if (refusal !== undefined) throw refusal;
      }
    } finally {
      for (const memory of taken) memory.free();
    }
  }

  /** Turns carried keys to the origin that positions are counted from after a restart. */
  async #turnBack(commands: Commands, passes: readonly GpuPass[], taken: Memory[]): Promise<void> {
    const turned = passes.filter(({ task, past }) => task.rebase !== undefined && past > 0);
    if (turned.length === 0) return;
    const { headDim } = this.#config;
    const angles = new Float32Array(turned.length * headDim);
    turned.forEach(({ task }, i) => {
      const { cos, sin } = this.#rope.turns(task.rebase ?? 0);
      angles.set(anglesOf(Float32Array.from(cos), Float32Array.from(sin)), i * headDim);
    });
    const upload = async (table: Float32Array | Uint32Array, label: string): Promise<Memory> => {
      const memory = this.gpu.memory.take(table.byteLength, label);
      taken.push(memory);
      await this.gpu.uploads.write(memory.buffer, 0, new Uint8Array(table.buffer));
      return memory;
    };
    const slots = await upload(
      Uint32Array.from(turned, ({ slot = 0 }) => slot),
      'slots',
    );
    const turns = await upload(angles, 'turns');
    this.#programs.turnBack(commands, this.#carried, { slots, angles: turns, count: turned.length });
  }

  async #activations(layout: BatchLayout, taken: Memory[]): Promise<BatchMemory> {
    const take = (bytes: number, label: string): Memory => {
      const memory = this.gpu.memory.take(bytes, label);
      taken.push(memory);
      return memory;
    };
    const states = Object.entries(tokenFloats(this.#config)).map(
      ([name, floats]) => [name, take(4 * layout.count * floats, name)] as const,
    );
    const memory: Record<string, Memory> = Object.fromEntries(states);
    for (const name of TABLES) {
      const table = layout[name];
      const target = memory[name] ?? take(table.byteLength, name);
      memory[name] = target;
      await this.gpu.uploads.write(target.buffer, 0, new Uint8Array(table.buffer));
    }
    return memory as BatchMemory;
  }
}

function requireHeads({ config, path }: ModelFile): void {
  try {
    attention(config.headDim);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new ModelError(`This kind of model is not supported on a GPU: ${cause.message}`, {
      code: 'MODEL_UNSUPPORTED',
      path,
      cause,
      hint: 'Use the CPU.',
    });
  }
}
