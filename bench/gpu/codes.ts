import { type Contents, uniforms } from './contents.ts';

/** Of words, of bytes of trits, and of vectors of four. */
const COLUMNS = 640;

/** Rows that are encoded and decoded: 1K to 16M numbers. */
export const CODE_SHAPES = [2, 100, 1600, 25_600].map((rows) => ({
  name: `${(rows * COLUMNS) / 1000}K in rows of ${COLUMNS}`,
  rows,
  columns: COLUMNS,
  count: rows * COLUMNS,
}));

/** Sizes that all kernels of codes have, for a scale to each row. */
export function codeSizesOf(rows: number, columns: number, rowBytes: number, levels: number, bias: number) {
  return {
    ...{ rows, columns, block: columns, row_groups: 1, row_bytes: rowBytes, shifted: 0, middle: 0 },
    ...{ low: -levels >>> 0, high: levels, bias },
  };
}

/** Scales with which normal numbers stay within so many levels. */
export const scalesOf = (rows: number, levels: number): Contents => ({
  words: rows,
  values: () => {
    const uniform = uniforms();
    return Float32Array.from({ length: Math.min(rows, 1 << 16) }, () => (levels / 6) * (0.5 + uniform() / 2));
  },
});

/** Words of any bits that repeat. */
export const anyBytes = (words: number, byteOf: (uniform: number) => number): Contents => ({
  words,
  values: () => {
    const uniform = uniforms();
    return Uint8Array.from({ length: 1 << 16 }, () => byteOf(uniform()));
  },
});
