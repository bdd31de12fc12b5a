import { ELEMENT_LANES, ELEMENT_MAIN } from '../elements.ts';
import type { Form } from '../kernel.ts';

/** A form with an invocation to each word that is written. */
export function wordForm<S extends string>(
  parts: readonly string[],
  fits?: (sizes: Readonly<Record<S, number>>) => boolean,
): Form<S | 'words'> {
  const vectors = fits !== undefined;
  return {
    name: vectors ? 'word4' : 'word',
    vectors,
    code: [...parts, ELEMENT_MAIN].join('\n'),
    ...(vectors ? { fits } : {}),
    workgroups: ({ words }) => Math.ceil(words / ELEMENT_LANES),
  };
}

/** Sizes of kernels that encode numbers, group by group. */
export const codeSizes = {
  rows: 'u32',
  columns: 'u32',
  block: 'u32',
  row_groups: 'u32',
  row_bytes: 'u32',
  words: 'u32',
  low: 'u32',
  high: 'u32',
  bias: 'u32',
  shifted: 'u32',
  away: 'u32',
  middle: 'f32',
} as const;

/** Their buffers. */
export const codeBuffers = {
  input: { access: 'read', elements: 'u32' },
  inverses: { access: 'read', elements: 'u32', scalar: true },
  zeros: { access: 'read', elements: 'i32', scalar: true },
  codes: { access: 'read_write', elements: 'u32', scalar: true },
} as const;

/** Bytes of numbers, of inverses and zeros, of codes; a difference, a product, rounded, moved, clipped twice. */
export function codeCost(sizes: Readonly<Record<keyof typeof codeSizes, number>>): { bytes: number; flops: number } {
  const { rows, columns, block, row_groups, shifted, words } = sizes;
  const groups = row_groups === 0 ? Math.ceil(columns / block) : rows * row_groups;
  return { bytes: 4 * (rows * columns + groups * (1 + shifted) + words), flops: 6 * rows * columns };
}
