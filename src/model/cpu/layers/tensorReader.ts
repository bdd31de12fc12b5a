import { closeSync, openSync, readSync } from 'node:fs';
import { ModelError } from '../../../errors.ts';
import { BlockDecoder } from '../../../kernels/blocks/decoder.ts';
import { blockBytes } from '../../../kernels/blocks/layout.ts';
import { requireStamp } from '../../fileStamp.ts';
import { badCode, decodeRows, type PackedRows } from '../../quantized/codes.ts';
import { rowBytes } from '../../quantized/layout.ts';
import { noCode, scalesFrom } from '../../quantized/readMatrices.ts';
import { isQuantized, type QuantizedWeight, type Span, type Weight, type Weights } from '../../weights.ts';

/** Some rows of a tensor, decoded. */
export interface DecodedRows {
  /** Of the first of them within the tensor. */
  readonly first: number;
  readonly rows: number;
}

/** Memory to work with while a tensor is decoded. */
export interface Staging {
  readonly address: number;
  readonly bytes: number;
}

/** Reads tensors from a weights file and decodes them to float32, a few rows at a time. Blocks its thread. */
export class TensorReader {
  readonly #weights: Weights;
  readonly #memory: WebAssembly.Memory;
  readonly #decoder: BlockDecoder;
  readonly #file: number;

  /** @throws ModelError `MODEL_MISSING` where the file cannot be opened, `MODEL_CHANGED` where it is another one */
  constructor(weights: Weights, memory: WebAssembly.Memory) {
    this.#weights = weights;
    this.#memory = memory;
    this.#decoder = new BlockDecoder(memory);
    try {
      this.#file = openSync(weights.path, 'r');
    } catch (cause) {
      throw new ModelError(`${weights.path} cannot be opened.`, { code: 'MODEL_MISSING', path: weights.path, cause });
    }
    try {
      requireStamp(weights.path, weights.stamp, this.#file);
    } catch (error) {
      closeSync(this.#file);
      throw error;
    }
  }

  weight(name: string): Weight {
    const weight = this.#weights.tensors.get(name);
    if (weight === undefined) throw new RangeError(`The model needs ${name}, which the weights do not hold.`);
    return weight;
  }

  /** Decodes a whole tensor to `target`. Throws ModelError `MODEL_FILE`, or `MODEL_WEIGHT_VALUE` for what is no code. */
  decode(name: string, target: number, staging: Staging): void {
    const weight = this.weight(name);
    const rowBytes = 4 * rowValues(weight);
    for (const { first, rows } of chunks(weight, staging.bytes)) {
      this.#rows(weight, first, rows, target + first * rowBytes, staging.address);
    }
  }

  /** Decodes a tensor piece by piece to `target`, which is as large as `staging`; each piece is there until the next. */
  *decodeRows(name: string, target: number, staging: Staging): Iterable<DecodedRows> {
    const weight = this.weight(name);
    for (const { first, rows } of chunks(weight, staging.bytes)) {
      this.#rows(weight, first, rows, target, staging.address);
      yield { first, rows };
    }
  }

  /**
   * Reads a weight that is kept in fewer bits as it is, piece by piece, to `staging`; each piece is there until the next.
   * Throws as {@link decode}.
   */
  *packedRows(weight: QuantizedWeight, staging: Staging): Iterable<PackedRows> {
    for (const { first, rows } of chunks(weight, staging.bytes)) {
      yield this.#packed(weight, first, rows, staging.address);
    }
  }

  close(): void {
    closeSync(this.#file);
  }

  #rows(weight: Weight, first: number, rows: number, target: number, staging: number): void {
    const values = rows * rowValues(weight);
    if (isQuantized(weight)) {
      const packed = this.#packed(weight, first, rows, staging);
      decodeRows(packed, new Float32Array(this.#memory.buffer, target, values));
      return;
    }
    const { dtype, offset } = weight;
    const bytes = blockBytes(dtype, rowValues(weight));
    const source = dtype === 'F32' ? target : staging;
    this.#read(Buffer.from(this.#memory.buffer, source, rows * bytes), offset + first * bytes);
    if (dtype !== 'F32') this.#decoder.decode(dtype, source, target, values);
  }

  #packed(weight: QuantizedWeight, first: number, rows: number, staging: number): PackedRows {
    const { dtype: type, offset, scales, minima } = weight;
    const inputs = rowValues(weight);
    const width = rowBytes(type, inputs);
    const bytes = new Uint8Array(this.#memory.buffer, staging, rows * width);
    this.#read(bytes, offset + first * width);
    const bad = badCode(type, bytes);
    if (bad !== -1) throw noCode(this.#weights.path, offset + first * width + bad, weight);
    return {
      type,
      inputs,
      rows,
      bytes,
      scales: this.#scales(weight, scales, first, rows),
      minima: minima && this.#scales(weight, minima, first, rows),
    };
  }

  /** Those of some rows; the one of all rows where there is one. */
  #scales({ dtype, shape }: QuantizedWeight, span: Span, first: number, rows: number): Float32Array {
    const perRow = dtype === 'int8' ? 0 : span.length / (shape[0] ?? 1);
    const bytes = new Uint8Array(perRow === 0 ? span.length : rows * perRow);
    this.#read(bytes, span.offset + first * perRow);
    return scalesFrom(dtype, bytes);
  }

  #read(target: Uint8Array, position: number): void {
    const { path } = this.#weights;
    let done = 0;
    while (done < target.length) {
      const count = readSync(this.#file, target, done, target.length - done, position + done);
      if (count === 0) {
        throw new ModelError(`${path} ends at byte ${position + done}, within the weights.`, {
          code: 'MODEL_FILE',
          path,
          position: { ordinal: 0, byte: position + done },
          hint: 'The file was cut or changed since it was opened.',
        });
      }
      done += count;
    }
  }
}

const rowValues = ({ shape }: Weight): number => shape.at(-1) ?? 0;

/** Runs of rows that fit into `bytes` as float32, which is the largest form they have. */
function* chunks(weight: Weight, bytes: number): Iterable<DecodedRows> {
  const { shape } = weight;
  const total = shape.length === 1 ? 1 : (shape[0] ?? 0);
  const most = Math.max(1, Math.floor(bytes / (4 * rowValues(weight))));
  for (let first = 0; first < total; first += most) yield { first, rows: Math.min(most, total - first) };
}
