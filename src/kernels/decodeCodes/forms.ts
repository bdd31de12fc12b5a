import { ELEMENT_LANES, ELEMENT_MAIN } from '../elements.ts';
import type { Form } from '../kernel.ts';
import { DECODE, DECODE4, SCALARS, VALUES, VECTORS } from './decodeCodes.wgsl.ts';

type Shape = 'rows' | 'columns' | 'block';

/** Forms with an invocation to a value, or to four of a row. */
export function decodeForms<S extends string>(stored: string): Form<S | Shape>[] {
  const of = (width: 1 | 4): Form<S | Shape> => ({
    name: width === 4 ? 'invocation4' : 'invocation',
    vectors: width === 4,
    code: [
      ...(width === 4 ? [VECTORS, VALUES, stored, DECODE4] : [SCALARS, VALUES, stored, DECODE]),
      ELEMENT_MAIN,
    ].join('\n'),
    fits: ({ columns, block }: Readonly<Record<Shape, number>>) =>
      columns % width === 0 && (block % width === 0 || block >= columns),
    workgroups: ({ rows, columns }: Readonly<Record<Shape, number>>) =>
      Math.ceil((rows * columns) / width / ELEMENT_LANES),
  });
  return [of(4), of(1)];
}

/** Sizes of kernels that decode numbers, group by group. */
export const valueSizes = {
  rows: 'u32',
  columns: 'u32',
  block: 'u32',
  row_groups: 'u32',
  row_bytes: 'u32',
  mask: 'u32',
  low: 'u32',
  high: 'u32',
  bias: 'u32',
  shifted: 'u32',
  tabled: 'u32',
  moved: 'u32',
  nothing: 'u32',
  middle: 'f32',
} as const;

/** Their buffers. */
export const valueBuffers = {
  codes: { access: 'read', elements: 'u32', scalar: true },
  scales: { access: 'read', elements: 'f32', scalar: true },
  zeros: { access: 'read', elements: 'i32', scalar: true },
  table: { access: 'read', elements: 'f32', scalar: true },
  values: { access: 'read_write', elements: 'f32' },
  faults: { access: 'read_write', elements: 'atomic<u32>', scalar: true },
} as const;

/** Bytes of codes, scales and zeros, of values; a difference, a product, a sum. */
export function valueCost(sizes: Readonly<Record<keyof typeof valueSizes, number>>): { bytes: number; flops: number } {
  const { rows, columns, block, row_groups, row_bytes, shifted } = sizes;
  const groups = row_groups === 0 ? Math.ceil(columns / block) : rows * row_groups;
  return { bytes: rows * (row_bytes + 4 * columns) + 4 * groups * (1 + shifted), flops: 3 * rows * columns };
}
