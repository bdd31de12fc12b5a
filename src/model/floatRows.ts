import { TensorReader } from './cpu/layers/tensorReader.ts';
import type { PackedRows } from './quantized/codes.ts';
import type { QuantizedWeight, Weights } from './weight.ts';

const PAGE = 65_536;
const CHUNK_BYTES = 1 << 20;

/** Reads tensors of any type as float32, about a mebibyte at a time. Blocks its thread. */
export class FloatRows {
  readonly #memory: WebAssembly.Memory;
  readonly #reader: TensorReader;
  readonly #bytes: number;

  /** Throws ModelError `MODEL_MISSING` or `MODEL_CHANGED`. */
  constructor(weights: Weights) {
    this.#bytes = CHUNK_BYTES;
    for (const { shape } of weights.tensors.values()) this.#bytes = Math.max(this.#bytes, 4 * (shape.at(-1) ?? 0));
    const pages = Math.ceil((2 * this.#bytes) / PAGE);
    this.#memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    this.#reader = new TensorReader(weights, this.#memory);
  }

  /** Whole rows of a tensor, run by run; each is there until the next is asked for. Throws ModelError `MODEL_FILE`. */
  *of(name: string): Iterable<Float32Array<SharedArrayBuffer>> {
    const width = this.#reader.weight(name).shape.at(-1) ?? 0;
    for (const { rows } of this.#reader.decodeRows(name, 0, { address: this.#bytes, bytes: this.#bytes })) {
      yield new Float32Array(this.#memory.buffer as SharedArrayBuffer, 0, rows * width);
    }
  }

  /** Whole rows of a weight that is kept in fewer bits, as they are. Throws ModelError `MODEL_FILE` or `MODEL_WEIGHT_VALUE`. */
  packed(weight: QuantizedWeight): Iterable<PackedRows> {
    return this.#reader.packedRows(weight, { address: this.#bytes, bytes: this.#bytes });
  }

  close(): void {
    this.#reader.close();
  }
}
