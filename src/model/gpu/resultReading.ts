import type { Commands, Gpu, Memory } from '../../gpu/index.ts';
import type { DeviceResult, DeviceTask } from '../devices/deviceProtocol.ts';

/** Where the results of a batch lie on the device. */
export interface ResultMemory {
  readonly entropies: Memory;
  readonly norms: Memory;
  readonly states: Memory;
  readonly logits: Memory;
}

interface Part {
  /** Bytes. */
  readonly at: number;
  readonly values: number;
}

interface Parts {
  readonly entropies: Part;
  readonly norms: Part;
  readonly preNorm?: Part;
  readonly logits?: Part;
}

/** Copies back what the passes of a batch asked for, and nothing else. */
export class ResultReading {
  readonly #parts: readonly Parts[];
  readonly #bytes: number;
  readonly #widths: { readonly dim: number; readonly vocabSize: number };

  constructor(tasks: readonly DeviceTask[], widths: { readonly dim: number; readonly vocabSize: number }) {
    let at = 0;
    const part = (values: number): Part => {
      const own = { at, values };
      at += 4 * values;
      return own;
    };
    this.#widths = widths;
    this.#parts = tasks.map(({ tokens: { length }, preNorm, logits }) => ({
      entropies: part(length),
      norms: part(length),
      ...(preNorm ? { preNorm: part(length * widths.dim) } : {}),
      ...(logits ? { logits: part(length * widths.vocabSize) } : {}),
    }));
    this.#bytes = at;
  }

  /**
   * Submits the commands with the copies behind them; resolves as soon as the device has accepted them.
   * @returns what waits for the results of each pass
   */
  async submit(
    gpu: Gpu,
    commands: Commands,
    memory: ResultMemory,
  ): Promise<() => Promise<Omit<DeviceResult, 'nextRows'>[]>> {
    const reading = await gpu.readbacks.begin(this.#bytes);
    let first = 0;
    for (const { entropies, norms, preNorm, logits } of this.#parts) {
      const copy = (part: Part | undefined, from: Memory, width: number): void => {
        if (part !== undefined) commands.read(reading, part.at, from, 4 * first * width, 4 * part.values);
      };
      copy(entropies, memory.entropies, 1);
      copy(norms, memory.norms, 1);
      copy(preNorm, memory.states, this.#widths.dim);
      copy(logits, memory.logits, this.#widths.vocabSize);
      first += entropies.values;
    }
    await gpu.submitRead(commands, reading);
    return async () => {
      const data = await gpu.orLost(reading.finish());
      const floats = ({ at, values }: Part) => new Float32Array(data, at, values);
      return this.#parts.map(({ entropies, norms, preNorm, logits }) => ({
        entropies: floats(entropies),
        norms: floats(norms),
        ...(preNorm === undefined ? {} : { preNorm: floats(preNorm) }),
        ...(logits === undefined ? {} : { logits: floats(logits) }),
      }));
    };
  }
}
