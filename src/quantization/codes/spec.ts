import type { Part } from '../scheme.ts';
import type { LinearForm } from './linear.ts';
import { MOST_GROUPS, WINDOW } from './window.ts';

/** How steps are kept; the numbers are those of tools/wasm/quantizeSteps.as.ts. */
export const stepKinds = {
  /** float32. */
  f32: 0,
  /** binary16 within its normal range: a step that it cannot hold to 11 bits is refused. */
  f16: 1,
  /** binary16, a step below 2^-14 being up to 2^-24 wider than need be. */
  f16Any: 2,
  /** float32, the largest magnitude in place of the step. */
  magnitude: 3,
} as const;

export type StepKind = keyof typeof stepKinds;

/** A scheme of linear codes, complete. */
export interface LinearSpec {
  readonly form: LinearForm;
  /** Type of the part `codes`. */
  readonly codes: 'I8' | 'U8';
  /** The parts behind the codes have a dimension for the blocks of a row, be it one. */
  readonly isBlocked?: boolean | undefined;
  /** How steps are kept, where they are computed from the rows. */
  readonly steps?: StepKind | undefined;
  /** Steps lead from the least to the largest value, and the codes of zero are kept in bytes of this type. */
  readonly zeros?: 'I8' | 'U8' | undefined;
  /** What is known ahead, one for each column or one for all, where nothing is computed from the rows. */
  readonly fixed?:
    | { readonly inverses: Float32Array; readonly zeros: Int32Array; readonly scales: Float32Array }
    | undefined;
  /**
   * A value is `code / divisor * scale + middle`, each float32; without it `(code - zero) * scale`.
   */
  readonly divisor?: number | undefined;
}

/** Bytes that the codes of a row take. */
export function rowBytesOf({ packing, columns, bits }: LinearForm): number {
  return packing === 'trits' ? Math.ceil(columns / 5) : Math.ceil((columns * bits) / 8);
}

/** Groups of a row whose steps are computed from it. */
export const blocksOf = ({ columns, block }: LinearForm): number => Math.ceil(columns / block);

export function partsOf({ form, codes, steps, zeros, isBlocked }: LinearSpec): Part[] {
  const rowBytes = rowBytesOf(form);
  const parts: Part[] = [{ name: 'codes', dtype: codes, shape: [rowBytes], rowBytes }];
  if (steps === undefined) return parts;
  const blocks = blocksOf(form);
  const shape = isBlocked === true ? [blocks] : [];
  const scaleBytes = stepBytesOf(steps);
  parts.push({ name: 'scales', dtype: scaleBytes === 2 ? 'F16' : 'F32', shape, rowBytes: scaleBytes * blocks });
  if (zeros !== undefined) parts.push({ name: 'zeros', dtype: zeros, shape, rowBytes: blocks });
  return parts;
}

/** Bytes of a step that is kept. */
export const stepBytesOf = (steps: StepKind): 2 | 4 => (steps === 'f16' || steps === 'f16Any' ? 2 : 4);

/**
 * Calls `visit` with pieces that fit the window, in order: several whole rows, or a piece of one whose width is a
 * multiple of the block and of 40, so that it begins with a whole byte.
 */
export function eachSpan(
  { form, steps }: LinearSpec,
  rows: number,
  visit: (row: number, rows: number, column: number, width: number) => void,
): void {
  const { columns } = form;
  if (columns > WINDOW) {
    const unit = 40 * (blocksOf(form) === 1 ? 1 : form.block);
    const most = Math.floor(WINDOW / unit) * unit;
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column += most) visit(row, 1, column, Math.min(most, columns - column));
    }
    return;
  }
  const fit = Math.floor(WINDOW / columns);
  const most = steps === undefined ? fit : Math.max(1, Math.min(fit, Math.floor(MOST_GROUPS / blocksOf(form))));
  for (let row = 0; row < rows; row += most) visit(row, Math.min(most, rows - row), 0, columns);
}

/** Groups of a span: the first one's number, and how many there are. */
export function groupsIn(form: LinearForm, row: number, rows: number, column: number, width: number): [number, number] {
  const blocks = blocksOf(form);
  return blocks === 1 ? [row, rows] : [row * blocks + column / form.block, rows * Math.ceil(width / form.block)];
}

/** @throws RangeError where numbers are no whole rows */
export function rowsOf(values: Float32Array, columns: number): number {
  const rows = values.length / columns;
  if (Number.isInteger(rows)) return rows;
  throw new RangeError(`${values.length} numbers are no rows of ${columns}.`);
}
