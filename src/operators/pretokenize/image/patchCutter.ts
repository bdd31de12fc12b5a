import { type Grid, hilbertOrder } from './grid.ts';
import type { ImageSettings } from './options.ts';
import { patchesWasm } from './patchesWasm.ts';
import type { Frame } from './picture.ts';

/** What tools/wasm/imagePatches.as.ts exports. */
interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  cut(
    pixels: number,
    pitch: number,
    step: number,
    count: number,
    row: number,
    rows: number,
    out: number,
    entropies: number,
    table: number,
    top: number,
  ): void;
}

const PAGE = 64 << 10;
/** Where the table lies: histograms are below. */
const TABLE = 1024;
/** Bytes of patches that are cut in one go: they stay in the processor's cache. */
const STRIP = 192 << 10;
const CHANNELS = 3;

let compiled: WebAssembly.Module | undefined;

/** Cuts frames into patches of one size, and takes their entropy. Holds some 400 kB of memory. */
export class PatchCutter {
  readonly #size: number;
  readonly #bytes: number;
  readonly #most: number;
  readonly #top: number;
  readonly #wasm: Exports;
  readonly #memory: Uint8Array;
  readonly #entropies: Float64Array;
  readonly #pixels: number;
  readonly #patches: number;

  constructor(patchSize: number) {
    this.#size = patchSize;
    this.#bytes = patchSize * patchSize * CHANNELS;
    this.#most = Math.max(1, Math.floor(STRIP / this.#bytes));
    compiled ??= new WebAssembly.Module(Buffer.from(patchesWasm, 'base64'));
    // what the module exports is written in its source
    this.#wasm = new WebAssembly.Instance(compiled, {}).exports as unknown as Exports;
    const { memory } = this.#wasm;
    const entropies = TABLE + 8 * (this.#bytes + 1);
    this.#pixels = entropies + 8 * this.#most;
    this.#patches = this.#pixels + this.#most * this.#bytes;
    const end = this.#patches + this.#most * this.#bytes;
    memory.grow(Math.ceil(end / PAGE) - memory.buffer.byteLength / PAGE);
    this.#memory = new Uint8Array(memory.buffer);
    this.#entropies = new Float64Array(memory.buffer, entropies, this.#most);
    const table = new Float64Array(memory.buffer, TABLE, this.#bytes + 1);
    for (let n = 1; n <= this.#bytes; n++) table[n] = n * Math.log2(n);
    // by the table, so that bytes that are all the same have an entropy of exactly 0
    this.#top = (table[this.#bytes] ?? 0) / this.#bytes;
  }

  /**
   * Writes the patches of a frame one after the other, each row by row, and the Shannon entropy of the bytes of each in bits.
   * @param order cells by their place; absent: row by row
   * @param out as many bytes as the patches have
   * @param entropies one for each patch; absent: none are taken
   */
  cut(
    frame: Frame,
    { columns, rows }: Grid,
    { stride, edges }: Pick<ImageSettings, 'stride' | 'edges'>,
    out: Uint8Array,
    entropies?: Float64Array,
    order?: Uint32Array,
  ): void {
    const places = order === undefined ? undefined : inverse(order);
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column += this.#most) {
        const count = Math.min(this.#most, columns - column);
        const width = (count - 1) * stride + this.#size;
        this.#place(frame, column * stride, row * stride, width, edges === 'replicate');
        const side = this.#size * CHANNELS;
        this.#wasm.cut(
          this.#pixels,
          width * CHANNELS,
          stride * CHANNELS,
          count,
          side,
          this.#size,
          this.#patches,
          entropies === undefined ? 0 : this.#entropies.byteOffset,
          TABLE,
          this.#top,
        );
        const cell = row * columns + column;
        if (places === undefined) this.#take(cell, count, out, entropies);
        else this.#scatter(places.subarray(cell, cell + count), out, entropies);
      }
    }
  }

  #take(cell: number, count: number, out: Uint8Array, entropies: Float64Array | undefined): void {
    out.set(this.#memory.subarray(this.#patches, this.#patches + count * this.#bytes), cell * this.#bytes);
    entropies?.set(this.#entropies.subarray(0, count), cell);
  }

  #scatter(places: Uint32Array, out: Uint8Array, entropies: Float64Array | undefined): void {
    for (let n = 0; n < places.length; n++) {
      const place = places[n] ?? 0;
      const from = this.#patches + n * this.#bytes;
      out.set(this.#memory.subarray(from, from + this.#bytes), place * this.#bytes);
      if (entropies !== undefined) entropies[place] = this.#entropies[n] ?? 0;
    }
  }

  /** Brings the pixels of a strip into memory; what lies beyond the picture is made up. */
  #place({ width, height, rgb }: Frame, x: number, y: number, across: number, replicate: boolean): void {
    const memory = this.#memory;
    const pitch = across * CHANNELS;
    const rows = Math.min(this.#size, height - y);
    const row = Math.min(across, width - x) * CHANNELS;
    const start = (y * width + x) * CHANNELS;
    let to = this.#pixels;
    if (across === width) {
      memory.set(rgb.subarray(start, start + rows * pitch), to);
      to += rows * pitch;
    } else {
      for (let from = start, n = 0; n < rows; n++, from += width * CHANNELS, to += pitch) {
        memory.set(rgb.subarray(from, from + row), to);
        if (!replicate) memory.fill(0, to + row, to + pitch);
        else for (let at = to + row; at < to + pitch; at++) memory[at] = memory[at - CHANNELS] ?? 0;
      }
    }
    const end = this.#pixels + this.#size * pitch;
    if (!replicate) memory.fill(0, to, end);
    else for (; to < end; to += pitch) memory.copyWithin(to, to - pitch, to);
  }
}

function inverse(order: Uint32Array): Uint32Array {
  const places = new Uint32Array(order.length);
  for (let place = 0; place < order.length; place++) places[order[place] ?? 0] = place;
  return places;
}

/** Cells of a grid in the order that was asked for; undefined where that is row by row. */
export const cellOrder = (grid: Grid, order: ImageSettings['order']): Uint32Array | undefined =>
  order === 'hilbert' ? hilbertOrder(grid) : undefined;
