import type { Gpu, Memory } from '../../gpu/index.ts';
import { CENTROID_MAGNITUDES, centroidsOf, nearestCentroids } from '../../kernels/index.ts';
import type { Coder, Encoded, TrainedTensor } from '../scheme.ts';
import type { PieceCoder } from './piecewiseCoder.ts';
import { Scratch } from './scratch.ts';

const CENTROIDS = 256;

/**
 * Nearest centroids on a GPU; undefined for codebooks with numbers so small or large that devices may find others than the
 * CPU.
 *
 * @param coder what looks at rows that the device leaves open
 * @param codebooks f32[parts of a row, 256, columns of a part]
 */
export function centroidCoder(
  coder: Coder,
  columns: number,
  { shape, values }: TrainedTensor,
): ((gpu: Gpu) => PieceCoder) | undefined {
  const [, centroids, dims = columns] = shape;
  const { least, most } = CENTROID_MAGNITUDES;
  // written so that NaN fails as well
  const isPlain = (value: number): boolean => value === 0 || (Math.abs(value) >= least && Math.abs(value) < most);
  if (centroids !== CENTROIDS || !values.every(isPlain)) return undefined;
  return (gpu) => new CentroidCoder(gpu, coder, columns, dims, values);
}

class CentroidCoder implements PieceCoder {
  readonly #gpu: Gpu;
  readonly #coder: Coder;
  readonly #columns: number;
  readonly #dims: number;
  readonly #values: Float32Array;
  /** Every piece needs them. */
  readonly #held: Scratch;
  #codebooks: Promise<Memory> | undefined;

  constructor(gpu: Gpu, coder: Coder, columns: number, dims: number, values: Float32Array) {
    this.#gpu = gpu;
    this.#held = new Scratch(gpu);
    this.#coder = coder;
    this.#columns = columns;
    this.#dims = dims;
    this.#values = values;
  }

  async encode(rows: Float32Array): Promise<Encoded> {
    const parts = this.#columns / this.#dims;
    const count = rows.length / this.#columns;
    const sizes = { rows: count, columns: this.#columns, dims: this.#dims, nothing: 0 };
    const scratch = new Scratch(this.#gpu);
    try {
      const buffers = {
        input: await scratch.put('rows', rows),
        codebooks: await this.#place(),
        codes: scratch.take('codes', count * parts),
      };
      const commands = this.#gpu.commands();
      commands.dispatch(await this.#gpu.programs.get(nearestCentroids, sizes), buffers, sizes);
      const [found] = await scratch.read(commands, [buffers.codes]);
      return [this.#decided(rows, new Uint32Array(found ?? new ArrayBuffer()), parts)];
    } finally {
      scratch.free();
    }
  }

  async decode([codes = new Uint8Array()]: readonly Uint8Array[]): Promise<Float32Array<ArrayBuffer>> {
    const rows = (codes.length * this.#dims) / this.#columns;
    const sizes = { rows, columns: this.#columns, dims: this.#dims };
    const scratch = new Scratch(this.#gpu);
    try {
      const buffers = {
        codes: await scratch.putBytes('codes', codes),
        codebooks: await this.#place(),
        values: scratch.take('values', rows * this.#columns),
      };
      const commands = this.#gpu.commands();
      commands.dispatch(await this.#gpu.programs.get(centroidsOf, sizes), buffers, sizes);
      const [found] = await scratch.read(commands, [buffers.values]);
      return new Float32Array(found ?? new ArrayBuffer());
    } finally {
      scratch.free();
    }
  }

  close(): void {
    this.#held.free();
  }

  /** Bytes; rows with a part that was left open are encoded here. @throws SluiceError `QUANTIZE_VALUE` */
  #decided(rows: Float32Array, found: Uint32Array, parts: number): Uint8Array<ArrayBuffer> {
    const codes = Uint8Array.from(found);
    for (let at = found.findIndex(isOpen); at !== -1; ) {
      const row = Math.floor(at / parts);
      const [own] = this.#coder.encode(rows.subarray(row * this.#columns, (row + 1) * this.#columns));
      if (own !== undefined) codes.set(own, row * parts);
      const next = found.subarray((row + 1) * parts).findIndex(isOpen);
      at = next === -1 ? -1 : (row + 1) * parts + next;
    }
    return codes;
  }

  #place(): Promise<Memory> {
    this.#codebooks ??= this.#held.put('codebooks', this.#values);
    return this.#codebooks;
  }
}

const isOpen = (code: number): boolean => code >= CENTROIDS;
