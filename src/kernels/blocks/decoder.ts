import { decodeBlocks } from './decodeBlocks.ts';
import { type BlockType, blockBytes } from './layout.ts';

/** Decodes weights within a memory that threads share. */
export class BlockDecoder {
  readonly #memory: WebAssembly.Memory;

  constructor(memory: WebAssembly.Memory) {
    this.#memory = memory;
  }

  /** Decodes `values` weights of whole blocks at one address to float32 at another. */
  decode(type: BlockType, source: number, target: number, values: number): void {
    const { buffer } = this.#memory;
    decodeBlocks(
      type,
      new Uint8Array(buffer, source, blockBytes(type, values)),
      new Float32Array(buffer, target, values),
    );
  }
}
