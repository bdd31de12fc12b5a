import { closeSync, openSync, readSync } from 'node:fs';
import { ModelError } from '../../../errors.ts';
import { BlockDecoder } from '../../../kernels/blocks/decoder.ts';
import { blockBytes } from '../../../kernels/blocks/layout.ts';
import { requireStamp } from '../../fileStamp.ts';
import { badCode, type PackedRows } from '../../quantized/codes.ts';
import { rowBytes, scaleBytes } from '../../quantized/layout.ts';
import { scaleCount } from '../../quantized/matrix.ts';
import { noCode, scalesFrom } from '../../quantized/readMatrices.ts';
import { RowDecoder, type RowsInMemory } from '../../quantized/rowDecoder.ts';
import { isQuantized, type QuantizedWeight, type Weight, type Weights } from '../../weight.ts';

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
  readonly #rowDecoder: RowDecoder;
  readonly #file: number;

  /** @throws ModelError `MODEL_MISSING` where the file cannot be opened, `MODEL_CHANGED` where it is another one */
  constructor(weights: Weights, memory: WebAssembly.Memory) {
    this.#weights = weights;
    this.#memory = memory;
    this.#decoder = new BlockDecoder(memory);
    this.#rowDecoder = new RowDecoder(memory);
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
   * Reads a weight that is kept in fewer bits as it is, piece by piece, to `staging`; the codes of each piece are there until
   * the next. Throws as {@link decode}.
   */
  *packedRows(weight: QuantizedWeight, staging: Staging): Iterable<PackedRows> {
    const type = weight.dtype;
    const inputs = rowValues(weight);
    for (const { first, rows } of chunks(weight, staging.bytes)) {
      const { codes, scales, minima } = this.#stored(weight, first, rows, staging.address);
      const groups = scaleCount(type, rows, inputs) * scaleBytes(type);
      yield {
        type,
        inputs,
        rows,
        bytes: this.#bytes(codes, rows * rowBytes(type, inputs)),
        scales: scalesFrom(type, this.#bytes(scales, groups)),
        minima: minima === undefined ? undefined : scalesFrom(type, this.#bytes(minima, groups)),
      };
    }
  }

  close(): void {
    closeSync(this.#file);
  }

  #rows(weight: Weight, first: number, rows: number, target: number, staging: number): void {
    if (isQuantized(weight)) {
      this.#rowDecoder.decode(this.#stored(weight, first, rows, staging), target);
      return;
    }
    const { dtype, offset } = weight;
    const bytes = blockBytes(dtype, rowValues(weight));
    const source = dtype === 'F32' ? target : staging;
    this.#read(this.#bytes(source, rows * bytes), offset + first * bytes);
    if (dtype !== 'F32') this.#decoder.decode(dtype, source, target, rows * rowValues(weight));
  }

  /** Reads codes, scales and minima of some rows to an address, one after the other. */
  #stored(weight: QuantizedWeight, first: number, rows: number, staging: number): RowsInMemory {
    const { dtype: type, offset, scales, minima } = weight;
    const inputs = rowValues(weight);
    const width = rowBytes(type, inputs);
    const codes = this.#bytes(staging, rows * width);
    this.#read(codes, offset + first * width);
    if (!this.#rowDecoder.areCodes(type, staging, codes.length)) {
      throw noCode(this.#weights.path, offset + first * width + badCode(type, codes), weight);
    }
    // the one of the whole matrix, or those of the rows
    const perRow = scaleCount(type, 1, inputs) * scaleBytes(type);
    const [from, bytes] = type === 'int8' ? [0, perRow] : [first * perRow, rows * perRow];
    const scalesAt = aligned(staging + codes.length);
    this.#read(this.#bytes(scalesAt, bytes), scales.offset + from);
    const rest = { type, inputs, rows, codes: staging, scales: scalesAt };
    if (minima === undefined) return rest;
    const minimaAt = aligned(scalesAt + bytes);
    this.#read(this.#bytes(minimaAt, bytes), minima.offset + from);
    return { ...rest, minima: minimaAt };
  }

  #bytes(address: number, count: number): Uint8Array {
    return new Uint8Array(this.#memory.buffer, address, count);
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

const aligned = (address: number): number => Math.ceil(address / 4) * 4;

/** What alignment takes of the room for codes, scales and minima. */
const SLACK = 16;

/**
 * Runs of rows that fit into `bytes`, as float32 and as the file has them. Codes with their scales take less than float32,
 * but where rows have three inputs or fewer.
 */
function* chunks(weight: Weight, bytes: number): Iterable<DecodedRows> {
  const { shape } = weight;
  const total = shape.length === 1 ? 1 : (shape[0] ?? 0);
  const [rowBytes, room] = isQuantized(weight)
    ? [Math.max(16, 4 * rowValues(weight)), bytes - SLACK]
    : [4 * rowValues(weight), bytes];
  const most = Math.max(1, Math.floor(room / rowBytes));
  for (let first = 0; first < total; first += most) yield { first, rows: Math.min(most, total - first) };
}
