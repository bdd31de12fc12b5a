import type { Gpu, Memory } from '../../gpu/index.ts';
import { encodeCodes, encodeSigns, encodeTrits, rowExtremes } from '../../kernels/index.ts';
import type { Groups, LinearCoder } from '../codes/linear.ts';
import type { Encoded } from '../scheme.ts';
import { Undecided } from './piecewiseCoder.ts';
import { Scratch } from './scratch.ts';

/** Makes codes on a GPU; scales are made by the coder, out of extremes that the GPU finds, or out of the rows. */
export class LinearEncoder {
  readonly #gpu: Gpu;
  readonly #coder: LinearCoder;
  /** Bytes of the codes of a row. */
  readonly #rowBytes: number;

  constructor(gpu: Gpu, coder: LinearCoder) {
    this.#gpu = gpu;
    this.#coder = coder;
    this.#rowBytes = coder.parts[0]?.rowBytes ?? 0;
  }

  /**
   * All parts of some rows.
   * @throws Undecided where a number is not finite
   * @throws SluiceError what the coder throws about scales, rows counted from the first of these
   * @throws DeviceError
   */
  async encode(rows: Float32Array): Promise<Encoded> {
    const scratch = new Scratch(this.#gpu);
    try {
      const input = await scratch.put('rows', rows);
      const groups = await this.#groups(scratch, input, rows);
      return [await this.#codes(scratch, input, rows.length / this.#coder.linear.columns, groups), ...groups.parts];
    } finally {
      scratch.free();
    }
  }

  async #groups(scratch: Scratch, input: Memory, rows: Float32Array): Promise<Groups> {
    const { linear, fixed } = this.#coder;
    const { columns, block, from } = linear;
    if (from === 'mean' || from === 'search') return this.#coder.groupsOf(rows);
    const { least, largest } = await this.#extremes(scratch, input, rows, fixed === undefined ? block : columns);
    if (fixed !== undefined) return fixed;
    if (from === 'extremes') return this.#coder.groupsFrom({ most: largest, least });
    const most = largest.map((value, group) => Math.max(Math.abs(value), Math.abs(least[group] ?? 0)));
    return this.#coder.groupsFrom({ most });
  }

  async #extremes(
    scratch: Scratch,
    input: Memory,
    { length }: Float32Array,
    block: number,
  ): Promise<{ least: Float32Array; largest: Float32Array }> {
    const { columns } = this.#coder.linear;
    const groups = (length / columns) * Math.ceil(columns / block);
    const sizes = { rows: groups, columns: block, line: columns };
    const program = await this.#gpu.programs.get(rowExtremes, sizes);
    const found = { least: scratch.take('least', groups), largest: scratch.take('largest', groups) };
    const commands = this.#gpu.commands();
    commands.dispatch(program, { input, ...found }, sizes);
    const [least, largest] = (await scratch.read(commands, [found.least, found.largest])).map(
      (words) => new Float32Array(words),
    );
    if (least === undefined || largest === undefined) throw new Error('extremes are read in two parts');
    if (!least.every(Number.isFinite) || !largest.every(Number.isFinite)) throw new Undecided('a number is not finite');
    return { least, largest };
  }

  async #codes(
    scratch: Scratch,
    input: Memory,
    rows: number,
    { inverses, zeros }: Groups,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const { columns, block, group, low, high, bias, middle, rounding, packing, bits } = this.#coder.linear;
    const row_bytes = this.#rowBytes;
    const words = Math.ceil((rows * row_bytes) / 4);
    const codes = scratch.take('codes', words);
    const commands = this.#gpu.commands();
    if (packing === 'signs') {
      const sizes = { rows, columns, row_bytes, words };
      commands.dispatch(await this.#gpu.programs.get(encodeSigns, sizes), { input, codes }, sizes);
    } else {
      const shifted = zeros.some((zero) => zero !== 0);
      const buffers = {
        input,
        inverses: await scratch.put('inverses', inverses),
        zeros: await scratch.put('zeros', shifted ? zeros : new Int32Array(1)),
        codes,
      };
      const sizes = {
        ...{ rows, columns, row_bytes, words, middle },
        block: { block, column: 1, tensor: columns }[group],
        row_groups: group === 'block' ? Math.ceil(columns / block) : 0,
        ...{ low: low >>> 0, high: high >>> 0, bias: bias >>> 0 },
        shifted: shifted ? 1 : 0,
        away: rounding === 'away' ? 1 : 0,
      };
      if (packing === 'trits') commands.dispatch(await this.#gpu.programs.get(encodeTrits, sizes), buffers, sizes);
      else {
        const program = await this.#gpu.programs.get(encodeCodes, { ...sizes, bits });
        commands.dispatch(program, buffers, { ...sizes, bits });
      }
    }
    const [packed = new ArrayBuffer()] = await scratch.read(commands, [codes]);
    return new Uint8Array(packed, 0, rows * row_bytes);
  }
}
