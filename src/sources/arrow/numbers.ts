import { Failure } from '../failure.ts';

export function corruptBatch(what: string): Failure {
  return new Failure('CORRUPT_BATCH', what, 'Copy the file again; the other batches were read.');
}

export type Numbers =
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | Float32Array
  | Float64Array
  | BigInt64Array
  | BigUint64Array;

export type NumbersOf = {
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): Numbers;
  BYTES_PER_ELEMENT: number;
};

export const SIGNED: { readonly [bytes: number]: NumbersOf } = {
  1: Int8Array,
  2: Int16Array,
  4: Int32Array,
  8: BigInt64Array,
};
export const UNSIGNED: { readonly [bytes: number]: NumbersOf } = {
  1: Uint8Array,
  2: Uint16Array,
  4: Uint32Array,
  8: BigUint64Array,
};
export const FLOATS: { readonly [bytes: number]: NumbersOf } = { 2: Uint16Array, 4: Float32Array, 8: Float64Array };

/** @throws Failure `CORRUPT_BATCH` where there are fewer */
export function numbers(bytes: Uint8Array, of: NumbersOf | undefined, count: number): Numbers {
  if (of === undefined || bytes.length < count * of.BYTES_PER_ELEMENT) {
    throw corruptBatch(`a buffer of ${bytes.length} bytes is too short for ${count} values`);
  }
  const { buffer, byteOffset } = bytes.byteOffset % of.BYTES_PER_ELEMENT === 0 ? bytes : new Uint8Array(bytes);
  return new of(buffer, byteOffset, count);
}

/** Checks that offsets only grow and end within `limit`. */
export function offsets(bytes: Uint8Array, width: 4 | 8, count: number, limit: number): (index: number) => number {
  // A column without values may leave its offsets out.
  if (count === 0) return () => 0;
  const stored = numbers(bytes, SIGNED[width], count + 1);
  let before = 0;
  for (let index = 0; index <= count; index++) {
    const offset = Number(stored[index]);
    if (!(offset >= before && offset <= limit)) throw corruptBatch(`offset ${index} of a column is ${offset}`);
    before = offset;
  }
  return (index) => Number(stored[index]);
}

/** A number of 16 bits, as IEEE 754 has it. */
export function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const [exponent, fraction] = [(bits >> 10) & 0x1f, bits & 0x3ff];
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

export const bit = (bitmap: Uint8Array, row: number): boolean => ((bitmap[row >> 3] ?? 0) & (1 << (row & 7))) !== 0;

/** One after the other, by their number. */
export const integersOf =
  (values: Numbers) =>
  (row: number): number | bigint =>
    values[row] ?? 0;
