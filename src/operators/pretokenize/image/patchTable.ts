import type { Meta } from '../../../records.ts';
import { Failure } from '../../../sources/failure.ts';
import type { Budget } from '../budget.ts';
import type { SegmentTable } from '../view.ts';
import { type Grid, gridOf } from './grid.ts';
import type { ImageSettings } from './options.ts';
import { cellOrder, PatchCutter } from './patchCutter.ts';
import type { Frame, Size } from './picture.ts';
import { SegmentColumns } from './segmentColumns.ts';

const CHANNELS = 3;

/** Bytes of the patches of some frames, and the segments that they are. */
export interface PatchTable {
  readonly bytes: Uint8Array;
  readonly segments: SegmentTable;
}

/**
 * Charges what frames of these sizes become, before any of them is decoded. Pixels and patches are there at once for a
 * moment; what is charged is the larger of the two.
 * @throws Failure `DECODED_TOO_LARGE`, `IMAGE_TOO_SMALL` where patches that reach beyond the picture are left out and none remains
 */
export function chargePatches(frames: readonly Size[], settings: ImageSettings, budget: Budget): void {
  const patchBytes = settings.patchSize ** 2 * CHANNELS;
  let patches = 0;
  let pixels = 0;
  for (const frame of frames) {
    const { columns, rows } = gridOf(frame, settings);
    patches += columns * rows;
    pixels += frame.width * frame.height * CHANNELS;
  }
  if (patches === 0) {
    const { width = 0, height = 0 } = frames[0] ?? {};
    throw new Failure(
      'IMAGE_TOO_SMALL',
      `the picture is ${width} x ${height} pixels, and no patch of ${settings.patchSize} lies within it`,
      "Leave out { image: { edges: 'crop' } }, and what is missing is filled.",
    );
  }
  budget.take(Math.max(pixels, patches * patchBytes) + patches * SegmentColumns.BYTES, 'the picture');
}

let cutter: { readonly patchSize: number; readonly own: PatchCutter } | undefined;

/**
 * Cuts frames into patches and these into segments.
 * @param meta what all segments have in common
 */
export function patchTable(
  frames: readonly Frame[],
  settings: ImageSettings,
  maxSegmentBytes: number,
  meta: Meta,
): PatchTable {
  const { patchSize } = settings;
  if (cutter?.patchSize !== patchSize) cutter = { patchSize, own: new PatchCutter(patchSize) };
  const patchBytes = patchSize * patchSize * CHANNELS;
  const grids = frames.map((frame) => gridOf(frame, settings));
  const patches = grids.reduce((sum, { columns, rows }) => sum + columns * rows, 0);
  // every byte is written: it need not be zero before
  const bytes = Buffer.allocUnsafeSlow(patches * patchBytes);
  const { size, facts } = factsOf(frames);
  const segments = new SegmentColumns(patches, settings, maxSegmentBytes, facts);
  // frames of one size have one order
  let known: { readonly grid: Grid; readonly order: Uint32Array | undefined } | undefined;
  let first = 0;
  for (const [index, frame] of frames.entries()) {
    const grid = grids[index] ?? { columns: 0, rows: 0 };
    if (known?.grid.columns !== grid.columns || known.grid.rows !== grid.rows) {
      known = { grid, order: cellOrder(grid, settings.order) };
    }
    const count = grid.columns * grid.rows;
    const entropies = settings.localEntropy ? new Float64Array(count) : undefined;
    const out = bytes.subarray(first * patchBytes, (first + count) * patchBytes);
    cutter.own.cut(frame, grid, settings, out, entropies, known.order);
    segments.add({ frame, grid, order: known.order, entropies });
    first += count;
  }
  const shared: Meta = {
    ...size,
    patch_size: patchSize,
    stride: settings.stride,
    order: settings.order,
    channels: CHANNELS,
    ...meta,
  };
  return { bytes, segments: segments.table(shared) };
}

/** The size that all frames have, and what is to be told of each where there are several. */
function factsOf(frames: readonly Frame[]): { readonly size: Meta; readonly facts: readonly Meta[] } {
  const sizeOf = ({ width, height }: Size): Meta => ({ image_width: width, image_height: height });
  const [first] = frames;
  const same = frames.every(({ width, height }) => width === first?.width && height === first.height);
  const facts = frames.map(
    (frame, index): Meta => ({
      ...(same ? {} : sizeOf(frame)),
      ...(frames.length === 1 ? {} : { frame: index }),
      ...(frames.length === 1 || frame.delay === undefined ? {} : { delay_ms: frame.delay }),
    }),
  );
  return { size: same && first !== undefined ? sizeOf(first) : {}, facts };
}
