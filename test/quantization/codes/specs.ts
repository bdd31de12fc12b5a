import type { LinearForm } from '../../../src/quantization/codes/linear.ts';
import type { LinearSpec } from '../../../src/quantization/codes/spec.ts';

const { fround } = Math;

const base: Omit<LinearForm, 'columns' | 'block'> = {
  group: 'block',
  from: 'magnitude',
  middle: 0,
  low: -127,
  high: 127,
  bias: 0,
  rounding: 'even',
  packing: 'bits',
  bits: 8,
};

function levels(bits: number): Partial<LinearForm> {
  const most = 2 ** (bits - 1) - 1;
  return { bits, low: -most, high: most, bias: most };
}

export const kinds = [
  'int8',
  'int8 asymmetric',
  'int8 columns',
  'int8 tensor',
  'int4',
  'int4 search',
  'int4 asymmetric',
  'int4 asymmetric search',
  'variable',
  'variable rows',
  'ternary',
  'binary',
] as const;

export interface Choices {
  readonly kind: (typeof kinds)[number];
  readonly columns: number;
  readonly block: number;
  readonly bits: number;
  readonly rounding: 'even' | 'away';
  readonly half: boolean;
  readonly zero: number;
  readonly inverse: number;
}

export const choices: Choices = {
  kind: 'int8',
  columns: 128,
  block: 32,
  bits: 5,
  rounding: 'even',
  half: true,
  zero: 3,
  inverse: fround(1 / 3),
};

/** Of each kind of linear codes one. */
export function specOf({ columns, block, bits, rounding, half, zero, inverse, kind }: Choices): LinearSpec {
  const form: LinearForm = { ...base, columns, block: columns };
  const steps = half ? 'f16' : 'f32';
  const inner = { ...form, block: Math.min(block, columns), bits: 4 };
  const most = 2 ** (bits - 1) - 1;
  const fixed = (count: number, at: number) => ({
    inverses: Float32Array.from({ length: count }, (_, i) => inverse * ((i % 9) + 1)),
    zeros: new Int32Array(count).fill(at),
    scales: Float32Array.from({ length: count }, (_, i) => 0.5 + i),
  });
  const low = { ...form, low: -128 };
  switch (kind) {
    case 'int8':
      return { form, codes: 'I8', steps };
    case 'int8 asymmetric':
      return { form: { ...low, from: 'extremes' }, codes: 'I8', steps, zeros: 'I8' };
    case 'int8 columns':
      return { form: { ...low, group: 'column', from: 'fixed' }, codes: 'I8', fixed: fixed(columns, zero) };
    case 'int8 tensor':
      return { form: { ...low, group: 'tensor', from: 'fixed' }, codes: 'I8', fixed: fixed(1, zero) };
    case 'int4':
    case 'int4 search':
      return {
        form: { ...inner, low: -7, high: 7, bias: 8, from: kind === 'int4' ? 'magnitude' : 'search' },
        codes: 'U8',
        steps: half ? 'f16Any' : 'f32',
        isBlocked: true,
      };
    case 'int4 asymmetric':
    case 'int4 asymmetric search':
      return {
        form: { ...inner, low: 0, high: 15, from: kind === 'int4 asymmetric' ? 'extremes' : 'search' },
        codes: 'U8',
        steps: half ? 'f16Any' : 'f32',
        zeros: 'U8',
        isBlocked: true,
      };
    case 'variable':
      return {
        form: { ...form, ...levels(bits), rounding, group: 'tensor', from: 'fixed', middle: half ? 0.75 : 0 },
        codes: 'U8',
        fixed: { ...fixed(1, 0), inverses: Float32Array.of(most / 0.5) },
        divisor: Math.max(1, most),
      };
    case 'variable rows':
      return {
        form: { ...form, ...levels(bits), rounding },
        codes: 'U8',
        steps: 'magnitude',
        divisor: Math.max(1, most),
      };
    case 'ternary':
      return {
        form: { ...form, from: 'mean', low: -1, high: 1, bias: 1, packing: 'trits', bits: 2 },
        codes: 'U8',
        steps,
      };
    case 'binary':
      return { form: { ...form, from: 'mean', low: 0, high: 1, packing: 'signs', bits: 1 }, codes: 'U8', steps };
  }
}
