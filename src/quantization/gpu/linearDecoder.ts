import { float32From } from '../../formats/littleEndian.ts';
import type { Gpu, Memory } from '../../gpu/index.ts';
import { halvesFrom } from '../../kernels/blocks/half.ts';
import { decodeCodes, decodeTrits } from '../../kernels/index.ts';
import type { LinearCoder } from '../codes/linear.ts';
import { Undecided } from './piecewiseCoder.ts';
import { Scratch } from './scratch.ts';

/** With smaller ones a product may be subnormal, and with larger ones overflow: the CPU multiplies those. */
const LEAST = 2 ** -100;
const LARGEST = 2 ** 100;

/** Makes values of linear codes on a GPU. */
export class LinearDecoder {
  readonly #gpu: Gpu;
  readonly #coder: LinearCoder;
  readonly #low: number;
  readonly #high: number;
  readonly #bias: number;
  /** What codes stand for before they are multiplied with a scale; empty where it is the codes themselves. */
  readonly #table: Float32Array;

  constructor(gpu: Gpu, coder: LinearCoder) {
    const { low, high, bias, packing } = coder.linear;
    const isSigns = packing === 'signs';
    this.#gpu = gpu;
    this.#coder = coder;
    [this.#low, this.#high, this.#bias] = isSigns ? [0, 1, 0] : [low, high, bias];
    const { divisor } = coder.values;
    if (isSigns) this.#table = Float32Array.of(-1, 1);
    else if (divisor === undefined) this.#table = new Float32Array();
    else this.#table = Float32Array.from({ length: high - low + 1 }, (_, i) => (low + i) / divisor);
  }

  /**
   * f32[rows, columns] of all parts of some rows.
   * @throws Undecided where something is no code, or scales are none or extreme
   * @throws DeviceError
   */
  async decode(parts: readonly Uint8Array[]): Promise<Float32Array<ArrayBuffer>> {
    const scratch = new Scratch(this.#gpu);
    try {
      return await this.#decode(scratch, parts);
    } finally {
      scratch.free();
    }
  }

  async #decode(scratch: Scratch, parts: readonly Uint8Array[]): Promise<Float32Array<ArrayBuffer>> {
    const { columns, block, group, middle, packing } = this.#coder.linear;
    const rowBytes = this.#coder.parts[0]?.rowBytes ?? 1;
    const [codes = new Uint8Array()] = parts;
    const rows = codes.length / rowBytes;
    const scales = this.#scales(parts);
    const zeros = this.#zeros(parts);
    const bits = packing === 'signs' ? 1 : this.#coder.linear.bits;
    const sizes = {
      ...{ rows, columns, row_bytes: rowBytes, middle, nothing: 0, bias: this.#bias >>> 0 },
      block: { block, column: 1, tensor: columns }[group],
      row_groups: group === 'block' ? Math.ceil(columns / block) : 0,
      mask: packing === 'trits' ? 3 : 2 ** bits - 1,
      ...{ low: this.#low >>> 0, high: this.#high >>> 0 },
      shifted: zeros.some((zero) => zero !== 0) ? 1 : 0,
      tabled: this.#table.length > 0 ? 1 : 0,
      // what is added to signs is 0: no value is -0 then, as on the CPU
      moved: this.#coder.values.divisor !== undefined || packing === 'signs' ? 1 : 0,
    };
    const buffers = {
      codes: await scratch.putBytes('codes', codes),
      scales: await scratch.put('scales', scales),
      zeros: await scratch.put('zeros', zeros),
      table: await scratch.put('table', this.#table),
      values: scratch.take('values', rows * columns),
      faults: await scratch.put('faults', new Uint32Array(1)),
    };
    const commands = this.#gpu.commands();
    if (packing === 'trits') commands.dispatch(await this.#gpu.programs.get(decodeTrits, sizes), buffers, sizes);
    else {
      const program = await this.#gpu.programs.get(decodeCodes, { ...sizes, bits });
      commands.dispatch(program, buffers, { ...sizes, bits });
    }
    return valuesOf(scratch, commands, buffers);
  }

  #scales(parts: readonly Uint8Array[]): Float32Array {
    const at = this.#coder.parts.findIndex(({ name }) => name === 'scales');
    const bytes = parts[at];
    const isHalf = this.#coder.parts[at]?.dtype === 'F16';
    const found = bytes === undefined ? this.#coder.values.scales : isHalf ? halvesFrom(bytes) : float32From(bytes);
    const scales = found ?? new Float32Array();
    // written so that NaN fails as well, and so does -0
    const isPlain = (scale: number): boolean => Object.is(scale, 0) || (scale >= LEAST && scale <= LARGEST);
    if (!scales.every(isPlain)) throw new Undecided('a scale is none, or extreme');
    const { middle } = this.#coder.linear;
    if (middle !== 0 && !(Math.abs(middle) >= LEAST && Math.abs(middle) <= LARGEST))
      throw new Undecided('an extreme middle');
    return scales;
  }

  #zeros(parts: readonly Uint8Array[]): Int32Array {
    const at = this.#coder.parts.findIndex(({ name }) => name === 'zeros');
    const bytes = parts[at];
    if (bytes === undefined)
      return this.#coder.values.divisor === undefined ? (this.#coder.fixed?.zeros ?? NONE) : NONE;
    const isSigned = this.#coder.parts[at]?.dtype === 'I8';
    const zeros = Int32Array.from(bytes, (byte) => (isSigned ? (byte << 24) >> 24 : byte));
    const { low, high } = this.#coder.linear;
    if (zeros.some((zero) => zero < low || zero > high)) throw new Undecided('a zero is no code');
    return zeros;
  }
}

const NONE = new Int32Array();

async function valuesOf(
  scratch: Scratch,
  commands: Parameters<Scratch['read']>[0],
  { values, faults }: { readonly values: Memory; readonly faults: Memory },
): Promise<Float32Array<ArrayBuffer>> {
  const [found = new ArrayBuffer(), fault = new ArrayBuffer(4)] = await scratch.read(commands, [values, faults]);
  if (new Uint32Array(fault)[0] !== 0) throw new Undecided('a stored number is no code');
  return new Float32Array(found);
}
