import { requireFinite } from '../codes/finite.ts';
import { compact, GROUP, pack, upTo, type Workspace, workspace } from './memory.ts';

/** `y = A (x - centre) + shift`, where what is left out is zero. */
export interface LinearWeights {
  /** f32[outputs, inputs]: A. */
  readonly matrix: Float32Array;
  /** f32[inputs]. */
  readonly centre?: Float32Array | undefined;
  /** f32[outputs]. */
  readonly shift?: Float32Array | undefined;
}

/** Rows that pass through the memory at once stay in the second-level cache. */
const CHUNK_BYTES = 128 << 10;

/**
 * A linear map of rows: differences, products and sums are float64, sums grow from zero in order of the inputs, `shift` is
 * added to them, and only then is a number rounded to float32.
 */
export class LinearMap {
  readonly inputs: number;
  readonly outputs: number;
  readonly #chunk: number;
  readonly #space: Workspace<'matrix' | 'centre' | 'shift' | 'rows' | 'centred' | 'out'>;

  constructor({ matrix, centre, shift }: LinearWeights, inputs: number) {
    this.inputs = inputs;
    this.outputs = matrix.length / inputs;
    const outputs = upTo(this.outputs, GROUP);
    this.#chunk = Math.max(3, 3 * Math.floor(CHUNK_BYTES / (24 * Math.max(inputs, outputs))));
    this.#space = workspace({
      matrix: outputs * inputs,
      centre: inputs,
      shift: outputs,
      rows: this.#chunk * inputs,
      centred: 2 * this.#chunk * inputs,
      out: this.#chunk * outputs,
    });
    const { regions } = this.#space;
    pack(matrix, inputs, regions.matrix);
    if (centre !== undefined) regions.centre.set(centre);
    if (shift !== undefined) regions.shift.set(shift);
  }

  /**
   * f32[rows, outputs] of f32[rows, inputs].
   *
   * @throws SluiceError `QUANTIZE_VALUE`
   */
  apply(rows: Float32Array): Float32Array<ArrayBuffer> {
    const { inputs, outputs } = this;
    const { kernels, regions } = this.#space;
    const { matrix, centre, shift, rows: placed, centred, out } = regions;
    const groups = Math.ceil(outputs / GROUP);
    const count = rows.length / inputs;
    const result = new Float32Array(count * outputs);
    for (let first = 0; first < count; first += this.#chunk) {
      const some = rows.subarray(first * inputs, (first + this.#chunk) * inputs);
      const length = some.length / inputs;
      placed.set(some);
      const [from, to] = [placed.byteOffset, centred.byteOffset];
      if (!kernels.centreWide(from, length, inputs, centre.byteOffset, to)) requireFinite(some, inputs, first);
      kernels.denseWide(matrix.byteOffset, inputs, groups, to, length, shift.byteOffset, out.byteOffset);
      compact(out, length, outputs, result.subarray(first * outputs));
    }
    return result;
  }
}
