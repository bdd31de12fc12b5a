import type { BlockType } from './layout.ts';
export class BlockDecoder {
  readonly #m: WebAssembly.Memory;
  constructor(m: WebAssembly.Memory) {
    this.#m = m;
  }
  decode(type: BlockType, source: number, target: number, values: number): void {
    if (type !== 'BF16') throw new Error('shim');
    const s = new Uint16Array(this.#m.buffer, source, values),
      t = new Uint32Array(this.#m.buffer, target, values);
    for (let i = 0; i < values; i++) t[i] = (s[i] ?? 0) << 16;
  }
}
