import { blocksWasm } from './blocksWasm.ts';
import { type BlockType, blockBytes, blockLayouts } from './layout.ts';

type Kernel = (source: number, target: number, blocks: number) => void;

/** Compiled once in a thread, when the first decoder is made. */
let compiled: WebAssembly.Module | undefined;

/**
 * Decodes blocks of weights to float32 within one shared WebAssembly memory, with SIMD instructions: bit for bit what
 * {@link decodeBlocks} gives (a NaN may have another payload). Threads that hold a decoder each may work in the same
 * memory at the same time, on ranges that do not overlap.
 *
 *     const memory = new WebAssembly.Memory({ initial: 16, maximum: 16, shared: true });
 *     new Uint8Array(memory.buffer, 0, 144).set(block);
 *     new BlockDecoder(memory).decode('Q4_K', 0, 144, 256);
 *     const values = new Float32Array(memory.buffer, 144, 256);
 */
export class BlockDecoder {
  readonly #memory: WebAssembly.Memory;
  readonly #kernels: Readonly<Record<BlockType, Kernel>>;

  /** Throws TypeError for a memory that is not shared. */
  constructor(memory: WebAssembly.Memory) {
    if (!(memory.buffer instanceof SharedArrayBuffer)) throw new TypeError('The decoder needs a shared memory.');
    this.#memory = memory;
    compiled ??= new WebAssembly.Module(Buffer.from(blocksWasm, 'base64'));
    const { exports } = new WebAssembly.Instance(compiled, { env: { memory } });
    const kernel = (type: BlockType): Kernel => {
      const found = exports[`decode${type}`];
      if (typeof found !== 'function') throw new TypeError(`The kernels have no decode${type}.`);
      return found as Kernel;
    };
    this.#kernels = {
      F32: kernel('F32'),
      F16: kernel('F16'),
      BF16: kernel('BF16'),
      Q8_0: kernel('Q8_0'),
      Q4_K: kernel('Q4_K'),
      Q6_K: kernel('Q6_K'),
    };
  }

  /**
   * Decodes `values` weights, whole blocks of `type`, from the byte address `source` to float32 at `target`. The source
   * may lie at any address, the target at a multiple of 4; they may not overlap.
   *
   * @throws RangeError for anything else, and for ranges that leave the memory
   */
  decode(type: BlockType, source: number, target: number, values: number): void {
    const blocks = values / blockLayouts[type].values;
    if (!Number.isSafeInteger(blocks) || blocks < 0) throw new RangeError(`${values} values are no blocks of ${type}.`);
    const sourceBytes = blockBytes(type, values);
    this.#requireInside('source', source, sourceBytes, 1);
    this.#requireInside('target', target, 4 * values, 4);
    if (source < target + 4 * values && target < source + sourceBytes) {
      throw new RangeError(`The source at ${source} and the target at ${target} overlap.`);
    }
    this.#kernels[type](source, target, blocks);
  }

  #requireInside(what: string, address: number, bytes: number, alignment: number): void {
    const size = this.#memory.buffer.byteLength;
    if (Number.isSafeInteger(address) && address >= 0 && address % alignment === 0 && address + bytes <= size) return;
    throw new RangeError(`The ${what}, ${bytes} bytes at ${address}, does not fit a memory of ${size} bytes.`);
  }
}
