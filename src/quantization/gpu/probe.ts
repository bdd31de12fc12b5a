import type { Quantizer } from '../quantizer.ts';

const MOST_NUMBERS = 1 << 16;
const LEAST_ROWS = 3;
const MOST_ROWS = 64;

/** Of rows, in turns; none so small or large that scales of 16 bits could not hold it. */
const SCALES = [1, 0.07, 40, 3, 0.9];

/**
 * Rows that a device is tried out with: numbers of very different codes, every third one a multiple of the largest over 254,
 * so that it lies next to the middle between two codes of 8 bits.
 */
export function probeRows({ columns }: Quantizer): Float32Array {
  const count = Math.max(LEAST_ROWS, Math.min(MOST_ROWS, Math.floor(MOST_NUMBERS / columns)));
  const rows = new Float32Array(count * columns);
  let state = 1;
  for (let i = 0; i < rows.length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    const [row, column] = [Math.floor(i / columns), i % columns];
    const any = state / 2 ** 31 - 1;
    const unit = i % 3 === 0 ? Math.round(any * 254) / 254 : any;
    // no row is all but zero
    rows[i] = (column === 0 ? 1 - any / 4 : unit) * (SCALES[row % SCALES.length] ?? 1);
  }
  return rows;
}
