import type { Meta } from '../../../records.ts';
import type { SegmentTable } from '../view.ts';
import type { Grid } from './grid.ts';
import type { ImageSettings } from './options.ts';
import type { Frame } from './picture.ts';

/** The patches of one frame. */
interface FramePatches {
  readonly frame: Frame;
  readonly index: number;
  readonly grid: Grid;
  /** Cells by their place; absent: row by row. */
  readonly order: Uint32Array | undefined;
  readonly entropies: Float64Array | undefined;
}

const NAMES = [
  'ends',
  'x',
  'y',
  'width',
  'height',
  'entropy',
  'count',
  'frame',
  'delay',
  'imageWidth',
  'imageHeight',
] as const;
type Column = (typeof NAMES)[number];

/** Joins patches that follow each other to segments, and holds what is known of these in columns. */
export class SegmentColumns {
  /** Bytes that columns take for each patch. */
  static readonly BYTES = 8 * NAMES.length;
  readonly #columns: Readonly<Record<Column, Float64Array>>;
  readonly #settings: ImageSettings;
  readonly #patchBytes: number;
  /** Patches of a segment at most. */
  readonly #most: number;
  #count = 0;
  #end = 0;

  constructor(patches: number, settings: ImageSettings, maxSegmentBytes: number) {
    // one for each name
    this.#columns = Object.fromEntries(NAMES.map((name) => [name, new Float64Array(patches)])) as Record<
      Column,
      Float64Array
    >;
    this.#settings = settings;
    this.#patchBytes = settings.patchSize ** 2 * 3;
    this.#most = Math.max(1, Math.floor(maxSegmentBytes / this.#patchBytes));
  }

  add({ frame, index, grid, order, entropies }: FramePatches): void {
    const { patchSize, stride, unit } = this.#settings;
    const merge = unit === 'patch' ? this.#settings.merge : Number.POSITIVE_INFINITY;
    const { ends, x, y, width, height, entropy, count, frame: frames, delay, imageWidth, imageHeight } = this.#columns;
    const patches = grid.columns * grid.rows;
    let beforeColumn = -2;
    let beforeRow = -1;
    let at = this.#count - 1;
    let sum = 0;
    let joined = 0;
    for (let place = 0; place < patches; place++) {
      const cell = order === undefined ? place : (order[place] ?? 0);
      const row = Math.floor(cell / grid.columns);
      const column = cell - row * grid.columns;
      const own = entropies === undefined ? 0 : (entropies[place] ?? 0);
      const left = column * stride;
      const top = row * stride;
      const right = Math.min(left + patchSize, frame.width);
      const bottom = Math.min(top + patchSize, frame.height);
      this.#end += this.#patchBytes;
      const follows = unit === 'image' ? joined > 0 : row === beforeRow && column === beforeColumn + 1;
      beforeRow = row;
      beforeColumn = column;
      if (follows && joined < this.#most && merge !== false && (sum + own) / (joined + 1) < merge) {
        joined++;
        sum += own;
        const x0 = Math.min(x[at] ?? 0, left);
        const y0 = Math.min(y[at] ?? 0, top);
        width[at] = Math.max((x[at] ?? 0) + (width[at] ?? 0), right) - x0;
        height[at] = Math.max((y[at] ?? 0) + (height[at] ?? 0), bottom) - y0;
        x[at] = x0;
        y[at] = y0;
      } else {
        at++;
        joined = 1;
        sum = own;
        x[at] = left;
        y[at] = top;
        width[at] = right - left;
        height[at] = bottom - top;
        frames[at] = index;
        delay[at] = frame.delay ?? Number.NaN;
        imageWidth[at] = frame.width;
        imageHeight[at] = frame.height;
      }
      ends[at] = this.#end;
      count[at] = joined;
      entropy[at] = sum / joined;
    }
    this.#count = at + 1;
  }

  /** @param has which facts differ from segment to segment beside their places */
  table(label: string, meta: Meta, has: { readonly sizes: boolean; readonly frames: boolean }): SegmentTable {
    const { unit, merge, localEntropy } = this.#settings;
    const column = (name: Column): Float64Array => this.#columns[name].slice(0, this.#count);
    const merged = unit === 'patch' && merge !== false;
    return {
      ends: column('ends'),
      labels: [label],
      meta,
      columns: {
        x: column('x'),
        y: column('y'),
        width: column('width'),
        height: column('height'),
        ...(localEntropy ? { local_entropy: column('entropy') } : {}),
        ...(merged
          ? { merge_count: column('count'), is_super_patch: column('count').map((n) => (n > 1 ? 1 : 0)) }
          : {}),
        ...(unit === 'patch' ? {} : { patches: column('count') }),
        ...(has.frames ? { frame: column('frame'), delay_ms: column('delay') } : {}),
        ...(has.sizes ? { image_width: column('imageWidth'), image_height: column('imageHeight') } : {}),
      },
    };
  }
}
