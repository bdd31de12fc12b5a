import { fromF16, toF16 } from '../../../src/kernels/blocks/half.ts';
import { LEAST_STEP, type LinearForm, SMALLEST_NORMAL } from '../../../src/quantization/codes/linear.ts';
import type { LinearSpec, StepKind } from '../../../src/quantization/codes/spec.ts';

const { fround } = Math;

/** What encoding of linear codes gives, in plain loops and one number at a time; undefined where it refuses a step. */
export function plainEncode(spec: LinearSpec, rows: Float32Array): Uint8Array[] | undefined {
  const { form, steps, zeros, fixed } = spec;
  const { columns } = form;
  const codes: number[] = [];
  const scales: number[] = [];
  const zeroBytes: number[] = [];
  for (let first = 0; first < rows.length; first += columns) {
    const row = [...rows.subarray(first, first + columns)];
    const stored: number[] = [];
    for (let start = 0; start < columns; start += form.group === 'block' ? form.block : columns) {
      const values = row.slice(start, start + (form.group === 'block' ? form.block : columns));
      const group = steps === undefined ? undefined : groupOf(spec, values);
      if (group === null) return undefined;
      if (group !== undefined) {
        scales.push(...group.bytes);
        if (zeros !== undefined) zeroBytes.push(group.zero & 255);
      }
      for (const [i, value] of values.entries()) {
        const own = form.group === 'column' ? i : 0;
        const inverse = group?.inverse ?? fixed?.inverses[own] ?? 0;
        const zero = group?.zero ?? fixed?.zeros[own] ?? 0;
        stored.push(storedNumber(form, value, inverse, zero));
      }
    }
    codes.push(...packed(form, stored));
  }
  return [codes, ...(steps === undefined ? [] : [scales]), ...(zeros === undefined ? [] : [zeroBytes])].map((part) =>
    Uint8Array.from(part),
  );
}

interface Group {
  readonly inverse: number;
  readonly zero: number;
  readonly bytes: readonly number[];
}

function groupOf({ form, steps = 'f32', zeros }: LinearSpec, values: readonly number[]): Group | null {
  const { low, high, from } = form;
  if (from === 'mean') return groupFor(meanOf(values), 1, Number.POSITIVE_INFINITY, steps);
  const flushed = values.map((value) => (Math.abs(value) < SMALLEST_NORMAL ? 0 : value));
  const least = zeros === undefined ? 0 : Math.min(0, ...flushed);
  const most = zeros === undefined ? Math.max(...flushed.map(Math.abs)) : Math.max(0, ...flushed);
  /** Of an asymmetric range half, since all of it may be more than float32 holds. */
  const groupOver = (low32: number, high32: number): Group | null => {
    if (zeros === undefined) return groupFor(high32, high, high + 0.5, steps);
    const half = fround(fround(high32 / 2) - fround(low32 / 2));
    return withZero(groupFor(half, (high - low) / 2, (high - low + 0.5) / 2, steps), low32, form);
  };
  if (from !== 'search') return groupOver(least, most);
  let best: Group | null = null;
  let leastError = Number.POSITIVE_INFINITY;
  for (let part = 32; part > 20; part--) {
    const found = groupOver(fround((least * part) / 32), fround((most * part) / 32));
    if (found === null || (part < 32 && found.inverse === 0)) break;
    const error = errorOf(form, values, found, steps);
    if (error >= leastError) continue;
    leastError = error;
    best = found;
  }
  return best;
}

function groupFor(most: number, count: number, reach: number, steps: StepKind): Group | null {
  const none: Group = { inverse: 0, zero: 0, bytes: bytesOf(0, 0, steps) };
  if (most < SMALLEST_NORMAL) return none;
  const exact = fround(most / count);
  if (steps === 'f32' || steps === 'magnitude') {
    if (exact < LEAST_STEP) return none;
    const inverse = steps === 'f32' ? fround(1 / exact) : fround(count / most);
    if (inverse > 0 && inverse < SMALLEST_NORMAL) return null;
    return { inverse, zero: 0, bytes: bytesOf(steps === 'f32' ? exact : most, 0, steps) };
  }
  if (steps === 'f16' && exact < 2 ** -14) return null;
  const nearest = toF16(exact);
  const half = nearest === 0 || most > fromF16(nearest) * reach ? nearest + 1 : nearest;
  if (half > 0x7bff) return null;
  return { inverse: fround(1 / fromF16(half)), zero: 0, bytes: bytesOf(fromF16(half), half, steps) };
}

function bytesOf(step: number, half: number, steps: StepKind): number[] {
  return steps === 'f16' || steps === 'f16Any'
    ? [half & 255, half >> 8]
    : [...new Uint8Array(Float32Array.of(step).buffer)];
}

function withZero(group: Group | null, least: number, { low, high }: LinearForm): Group | null {
  if (group === null) return group;
  return { ...group, zero: Math.min(high, low - half2even(fround(least * group.inverse))) };
}

function meanOf(values: readonly number[]): number {
  const sums = [0, 0, 0, 0];
  for (const [i, value] of values.entries()) sums[i % 4] = (sums[i % 4] ?? 0) + Math.abs(value);
  const [a = 0, b = 0, c = 0, d = 0] = sums;
  return fround((a + c + (b + d)) / values.length);
}

function errorOf(
  { low, high }: LinearForm,
  values: readonly number[],
  { inverse, zero, bytes }: Group,
  steps: StepKind,
) {
  const sums = Float32Array.of(0, 0, 0, 0);
  for (const [i, value] of values.entries()) {
    const product = fround(value * inverse);
    const off = fround(product - Math.max(low - zero, Math.min(high - zero, half2even(product))));
    sums[i % 4] = (sums[i % 4] ?? 0) + fround(off * off);
  }
  const [a = 0, b = 0, c = 0, d = 0] = sums;
  const step =
    steps === 'f32' ? new Float32Array(Uint8Array.from(bytes).buffer)[0] : fromF16(bytes[0]! | (bytes[1]! << 8));
  return (a + c + (b + d)) * (step ?? 0) * (step ?? 0);
}

function storedNumber(
  { middle, low, high, bias, rounding, packing }: LinearForm,
  value: number,
  inverse: number,
  zero: number,
) {
  if (packing === 'signs') return value > -SMALLEST_NORMAL ? 1 : 0;
  const product = fround(fround(value - middle) * inverse);
  const rounded = rounding === 'even' ? half2even(product) : halfAway(product);
  return Math.max(low, Math.min(high, rounded + zero)) + bias;
}

function half2even(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest === 0.5 ? floor + (Math.abs(floor) % 2) : Math.round(value);
}

function halfAway(value: number): number {
  const floor = Math.floor(Math.abs(value));
  return Math.sign(value) * (Math.abs(value) - floor >= 0.5 ? floor + 1 : floor);
}

function packed({ packing, bits }: LinearForm, stored: readonly number[]): number[] {
  const bytes: number[] = [];
  if (packing === 'trits') {
    for (const [i, number] of stored.entries()) {
      bytes[Math.floor(i / 5)] = (bytes[Math.floor(i / 5)] ?? 0) + number * 3 ** (i % 5);
    }
    return bytes;
  }
  for (const [i, number] of stored.entries()) {
    for (let bit = 0; bit < bits; bit++) {
      const at = i * bits + bit;
      bytes[at >> 3] = (bytes[at >> 3] ?? 0) | (((number >> bit) & 1) << (at & 7));
    }
  }
  return bytes;
}

/** Values of parts that encoding gave, one number at a time. */
export function plainDecode(spec: LinearSpec, [codes, scales, zeros]: readonly Uint8Array[]): Float32Array {
  const { form, steps, fixed, divisor } = spec;
  const { columns, packing, bits, bias, middle } = form;
  const rowBytes = packing === 'trits' ? Math.ceil(columns / 5) : Math.ceil((columns * bits) / 8);
  const rows = codes!.length / rowBytes;
  const blocks = Math.ceil(columns / form.block);
  return Float32Array.from({ length: rows * columns }, (_, at) => {
    const column = at % columns;
    const row = (at - column) / columns;
    const group = row * blocks + Math.floor(column / form.block);
    const bytes = codes!.subarray(row * rowBytes, (row + 1) * rowBytes);
    const own = form.group === 'column' ? column : 0;
    const scale = steps === undefined ? fixed!.scales[own]! : scaleAt(scales!, group, steps);
    if (packing === 'signs') return (bytes[column >> 3]! >> (column & 7)) & 1 ? scale : 0 - scale;
    const zeroByte = zeros?.[group] ?? fixed?.zeros[own] ?? 0;
    const zero = spec.zeros === 'I8' ? (zeroByte << 24) >> 24 : zeroByte;
    const code = storedAt(form, bytes, column, spec.codes === 'I8') - bias;
    return divisor === undefined ? (code - zero) * scale : fround(fround(code / divisor) * scale) + middle;
  });
}

function scaleAt(bytes: Uint8Array, group: number, steps: StepKind): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const isHalf = steps === 'f16' || steps === 'f16Any';
  return isHalf ? fromF16(view.getUint16(2 * group, true)) : view.getFloat32(4 * group, true);
}

function storedAt({ packing, bits }: LinearForm, bytes: Uint8Array, column: number, isSigned: boolean): number {
  if (packing === 'trits') return Math.floor(bytes[Math.floor(column / 5)]! / 3 ** (column % 5)) % 3;
  if (isSigned) return (bytes[column]! << 24) >> 24;
  let number = 0;
  for (let bit = 0; bit < bits; bit++) {
    const at = column * bits + bit;
    number += ((bytes[at >> 3]! >> (at & 7)) & 1) << bit;
  }
  return number;
}
