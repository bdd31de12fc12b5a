import type { Meta } from '../../../records.ts';
import type { SegmentTable } from '../view.ts';
import type { Grid } from './grid.ts';
import type { ImageSettings } from './options.ts';
import type { Size } from './picture.ts';

/** The patches of one frame. */
interface FramePatches {
  readonly frame: Size;
  readonly grid: Grid;
  /** Cells by their place; absent: row by row. */
  readonly order: Uint32Array | undefined;
  readonly entropies: Float64Array | undefined;
}

const LABELS = { patch: 'image_patch', row: 'image_row', image: 'image' } as const;
/** Facts of a frame come once for its patches and once for its merged runs. */
const KINDS = 2;

/** Joins patches that follow each other to segments, and holds what is known of these in columns. */
export class SegmentColumns {
  /** Bytes that columns take for each patch, at most. */
  static readonly BYTES = 64;
  readonly #ends: Float64Array;
  readonly #x: Float64Array;
  readonly #y: Float64Array;
  readonly #width: Float64Array;
  readonly #height: Float64Array;
  readonly #entropy: Float64Array | undefined;
  /** Patches of each segment, where it may have several. */
  readonly #patches: Float64Array | undefined;
  /** Which facts each has, where they differ. */
  readonly #kind: Uint32Array | undefined;
  readonly #facts: readonly Meta[];
  readonly #settings: ImageSettings;
  readonly #patchBytes: number;
  /** Patches of a segment at most. */
  readonly #most: number;
  #count = 0;
  #end = 0;
  #frame = -1;

  /** @param facts what is known of each frame, where there are several */
  constructor(patches: number, settings: ImageSettings, maxSegmentBytes: number, facts: readonly Meta[]) {
    const { unit, merge, localEntropy, patchSize } = settings;
    const joins = unit !== 'patch' || merge !== false;
    this.#ends = new Float64Array(patches);
    this.#x = new Float64Array(patches);
    this.#y = new Float64Array(patches);
    this.#width = new Float64Array(patches);
    this.#height = new Float64Array(patches);
    this.#entropy = localEntropy ? new Float64Array(patches) : undefined;
    this.#patches = joins ? new Float64Array(patches) : undefined;
    this.#kind = merge !== false || facts.length > 1 ? new Uint32Array(patches) : undefined;
    this.#facts = facts;
    this.#settings = settings;
    this.#patchBytes = patchSize ** 2 * 3;
    this.#most = Math.max(1, Math.floor(maxSegmentBytes / this.#patchBytes));
  }

  /** Adds the patches of the next frame. */
  add({ frame, grid, order, entropies }: FramePatches): void {
    const { patchSize, stride, unit } = this.#settings;
    const merge = unit === 'patch' ? this.#settings.merge : Number.POSITIVE_INFINITY;
    const count = grid.columns * grid.rows;
    let beforeColumn = -2;
    let beforeRow = -1;
    let at = this.#count - 1;
    let sum = 0;
    let joined = 0;
    this.#frame++;
    for (let place = 0; place < count; place++) {
      const cell = order === undefined ? place : (order[place] ?? 0);
      const row = Math.floor(cell / grid.columns);
      const column = cell - row * grid.columns;
      const own = entropies === undefined ? 0 : (entropies[place] ?? 0);
      const x = column * stride;
      const y = row * stride;
      const right = Math.min(x + patchSize, frame.width);
      const bottom = Math.min(y + patchSize, frame.height);
      this.#end += this.#patchBytes;
      const follows = unit === 'image' ? joined > 0 : row === beforeRow && column === beforeColumn + 1;
      beforeRow = row;
      beforeColumn = column;
      if (follows && joined < this.#most && merge !== false && (sum + own) / (joined + 1) < merge) {
        joined++;
        sum += own;
        this.#extend(at, { x, y, right, bottom });
      } else {
        at++;
        joined = 1;
        sum = own;
        this.#x[at] = x;
        this.#y[at] = y;
        this.#width[at] = right - x;
        this.#height[at] = bottom - y;
      }
      this.#ends[at] = this.#end;
      if (this.#entropy !== undefined) this.#entropy[at] = sum / joined;
      if (this.#patches !== undefined) this.#patches[at] = joined;
      if (this.#kind !== undefined) this.#kind[at] = KINDS * this.#frame + (joined > 1 ? 1 : 0);
    }
    this.#count = at + 1;
  }

  /** A segment becomes the box around it and another patch. */
  #extend(at: number, { x, y, right, bottom }: Readonly<Record<'x' | 'y' | 'right' | 'bottom', number>>): void {
    const left = this.#x[at] ?? 0;
    const top = this.#y[at] ?? 0;
    const x0 = Math.min(left, x);
    const y0 = Math.min(top, y);
    this.#width[at] = Math.max(left + (this.#width[at] ?? 0), right) - x0;
    this.#height[at] = Math.max(top + (this.#height[at] ?? 0), bottom) - y0;
    this.#x[at] = x0;
    this.#y[at] = y0;
  }

  /** @param meta what all segments have in common */
  table(meta: Meta): SegmentTable {
    const { unit, merge } = this.#settings;
    const used = <A extends Float64Array | Uint32Array>(values: A): A =>
      // a slice is of the kind of what it is taken from
      this.#count === values.length ? values : (values.slice(0, this.#count) as A);
    const optional = (name: string, values: Float64Array | undefined): Readonly<Record<string, Float64Array>> =>
      values === undefined ? {} : { [name]: used(values) };
    const merged = unit === 'patch' && merge !== false;
    const metas = this.#facts.flatMap((facts) =>
      [false, true].map((run): Meta => ({ ...facts, ...(merged ? { is_super_patch: run } : {}) })),
    );
    return {
      ends: used(this.#ends),
      labels: [LABELS[unit]],
      meta,
      columns: {
        x: used(this.#x),
        y: used(this.#y),
        width: used(this.#width),
        height: used(this.#height),
        ...optional('local_entropy', this.#entropy),
        ...optional(merged ? 'merge_count' : 'patches', this.#patches),
      },
      ...(this.#kind === undefined ? {} : { metas, metaOf: used(this.#kind) }),
    };
  }
}
