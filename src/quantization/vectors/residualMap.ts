import { requireFinite } from '../codes/finite.ts';
import { compact, GROUP, pack, upTo, type Workspace, workspace } from './memory.ts';

/** A branch of a {@link ResidualMap} through hidden units. */
export interface Branch {
  /** f32[hidden, inputs]. */
  readonly hidden: Float32Array;
  /** f32[hidden]. */
  readonly bias: Float32Array;
  /** f32[outputs, hidden]. */
  readonly out: Float32Array;
}

/** `y = (A (x - centre) + shift) + B relu(H (x - centre) + b)`, where what is left out is zero. */
export interface ResidualWeights {
  /** f32[outputs, inputs]: A. */
  readonly matrix: Float32Array;
  /** f32[inputs]. */
  readonly centre?: Float32Array | undefined;
  readonly branch?: Branch | undefined;
  /** f32[outputs]. */
  readonly shift?: Float32Array | undefined;
}

/** Rows that pass through the memory at once stay in the second-level cache. */
const CHUNK_BYTES = 128 << 10;

/**
 * A linear map of rows, with a branch of hidden units beside it. Every operation is rounded to float32, and sums grow from
 * zero in order of the inputs.
 */
export class ResidualMap {
  readonly inputs: number;
  readonly outputs: number;
  readonly #hidden: number;
  readonly #chunk: number;
  readonly #space: Workspace<'matrix' | 'first' | 'last' | 'bias' | 'shift' | 'centre' | 'rows' | 'units' | 'out'>;

  constructor(weights: ResidualWeights, inputs: number) {
    this.inputs = inputs;
    this.outputs = weights.matrix.length / inputs;
    this.#hidden = weights.branch?.bias.length ?? 0;
    const outputs = upTo(this.outputs, GROUP);
    const hidden = upTo(this.#hidden, GROUP);
    this.#chunk = Math.max(3, 3 * Math.floor(CHUNK_BYTES / (12 * Math.max(inputs, outputs, hidden))));
    this.#space = workspace({
      matrix: outputs * inputs,
      first: hidden * inputs,
      last: outputs * this.#hidden,
      bias: hidden,
      shift: outputs,
      centre: inputs,
      rows: this.#chunk * inputs,
      units: this.#chunk * hidden,
      out: this.#chunk * outputs,
    });
    this.#place(weights);
  }

  #place({ matrix, centre, branch, shift }: ResidualWeights): void {
    const { regions } = this.#space;
    pack(matrix, this.inputs, regions.matrix);
    if (centre !== undefined) regions.centre.set(centre);
    if (shift !== undefined) regions.shift.set(shift);
    if (branch === undefined) return;
    pack(branch.hidden, this.inputs, regions.first);
    regions.bias.set(branch.bias);
    pack(branch.out, this.#hidden, regions.last);
  }

  /**
   * f32[rows, outputs] of f32[rows, inputs].
   *
   * @throws SluiceError `QUANTIZE_VALUE`
   */
  apply(rows: Float32Array): Float32Array<ArrayBuffer> {
    const { inputs, outputs } = this;
    const { rows: placed, out } = this.#space.regions;
    const count = rows.length / inputs;
    const result = new Float32Array(count * outputs);
    for (let first = 0; first < count; first += this.#chunk) {
      const some = rows.subarray(first * inputs, (first + this.#chunk) * inputs);
      const length = some.length / inputs;
      placed.set(some);
      if (!this.#run(length)) requireFinite(some, inputs, first);
      compact(out, length, outputs, result.subarray(first * outputs));
    }
    return result;
  }

  /** Whether every number is finite. */
  #run(count: number): boolean {
    const { kernels, regions } = this.#space;
    const { inputs } = this;
    const [rows, units, out] = [regions.rows.byteOffset, regions.units.byteOffset, regions.out.byteOffset];
    const groups = Math.ceil(this.outputs / GROUP);
    const rowBytes = 4 * inputs;
    const finite = kernels.centre(rows, count, inputs, regions.centre.byteOffset, rows);
    const shift = regions.shift.byteOffset;
    kernels.dense(regions.matrix.byteOffset, inputs, groups, rows, rowBytes, count, shift, 0, false, out);
    if (this.#hidden > 0) {
      const wide = Math.ceil(this.#hidden / GROUP);
      const bias = regions.bias.byteOffset;
      kernels.dense(regions.first.byteOffset, inputs, wide, rows, rowBytes, count, bias, 0, true, units);
      const [last, unitBytes, step] = [regions.last.byteOffset, 4 * GROUP * wide, 4 * GROUP * groups];
      kernels.dense(last, this.#hidden, groups, units, unitBytes, count, out, step, false, out);
    }
    return finite !== 0;
  }
}
