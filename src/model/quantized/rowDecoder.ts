import { isBlocked, rowBytes, scaleBytes } from './layout.ts';
import { INT4_BLOCKS, type QuantizedType, scaleCount } from './matrix.ts';
import { rowsWasm } from './rowsWasm.ts';

type Kernel = (...numbers: readonly number[]) => number | undefined;

/** Compiled once in a thread, when the first decoder is made. */
let compiled: WebAssembly.Module | undefined;

/** Whole rows of a matrix as a file has them, at byte addresses of a memory. */
export interface RowsInMemory {
  readonly type: QuantizedType;
  readonly inputs: number;
  readonly rows: number;
  /** Each of which some code gives: see `badCode`. */
  readonly codes: number;
  /** Of these rows, or the one of the matrix for `int8`: finite. */
  readonly scales: number;
  /** Of `int4` and `int4-64`. */
  readonly minima?: number | undefined;
}

/**
 * Decodes rows of quantized matrices to float32 within one shared WebAssembly memory, with SIMD instructions: bit for bit
 * the numbers of `dequantizedMatrix`. Threads that hold a decoder each may work in the same memory at the same time, on
 * ranges that do not overlap.
 */
export class RowDecoder {
  readonly #memory: WebAssembly.Memory;
  readonly #kernels: Readonly<Record<'largestByte' | 'decodeInt8' | 'decodeInt4' | 'decodeTernary', Kernel>>;

  /** Throws TypeError for a memory that is not shared. */
  constructor(memory: WebAssembly.Memory) {
    if (!(memory.buffer instanceof SharedArrayBuffer)) throw new TypeError('The decoder needs a shared memory.');
    this.#memory = memory;
    compiled ??= new WebAssembly.Module(Buffer.from(rowsWasm, 'base64'));
    const { exports } = new WebAssembly.Instance(compiled, { env: { memory } });
    const kernel = (name: string): Kernel => {
      const found = exports[name];
      if (typeof found !== 'function') throw new TypeError(`The kernels have no ${name}.`);
      return found as Kernel;
    };
    this.#kernels = {
      largestByte: kernel('largestByte'),
      decodeInt8: kernel('decodeInt8'),
      decodeInt4: kernel('decodeInt4'),
      decodeTernary: kernel('decodeTernary'),
    };
  }

  /** Whether each of some bytes is one that codes give; see `badCode`, which says where one is not. */
  areCodes(type: QuantizedType, address: number, bytes: number): boolean {
    if (isBlocked(type)) return true;
    this.#requireInside(address, bytes);
    const { largestByte } = this.#kernels;
    // with the bits of 127 turned over, -128 is the one byte that becomes 255
    return type === 'ternary' ? (largestByte(address, bytes, 0) ?? 0) < 243 : largestByte(address, bytes, 127) !== 255;
  }

  /**
   * Decodes f32[rows, in] to the address `target`, a multiple of 4, that overlaps nothing of the rows.
   *
   * @throws RangeError for ranges that leave the memory, or overlap
   */
  decode({ type, inputs, rows, codes, scales, minima = 0 }: RowsInMemory, target: number): void {
    const values = { address: target, bytes: 4 * rows * inputs };
    const group = scaleCount(type, rows, inputs) * scaleBytes(type);
    const sources = [
      { address: codes, bytes: rows * rowBytes(type, inputs) },
      { address: scales, bytes: group },
      { address: minima, bytes: isBlocked(type) ? group : 0 },
    ];
    if (target % 4 !== 0) throw new RangeError(`The target ${target} is no multiple of 4.`);
    for (const { address, bytes } of [values, ...sources]) this.#requireInside(address, bytes);
    for (const { address, bytes } of sources) {
      if (bytes > 0 && address < target + values.bytes && target < address + bytes) {
        throw new RangeError(`The source at ${address} and the target at ${target} overlap.`);
      }
    }
    const { decodeInt8, decodeInt4, decodeTernary } = this.#kernels;
    if (isBlocked(type)) decodeInt4(codes, target, inputs, rows, scales, minima, INT4_BLOCKS[type]);
    else if (type === 'ternary') decodeTernary(codes, target, inputs, rows, scales);
    else decodeInt8(codes, target, inputs, rows, scales, type === 'int8' ? 0 : 4);
  }

  #requireInside(address: number, bytes: number): void {
    if (Number.isSafeInteger(address) && address >= 0 && address + bytes <= this.#memory.buffer.byteLength) return;
    throw new RangeError(`${bytes} bytes at ${address} do not fit the memory.`);
  }
}
