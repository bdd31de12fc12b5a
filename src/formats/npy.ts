import { SluiceError } from '../errors.ts';
import { littleEndianBytes } from './littleEndian.ts';
import type { Dtype } from './safetensors/dtype.ts';

const sizes = { '<f2': 2, '<f4': 4, '<f8': 8, '|i1': 1, '<i2': 2, '<i4': 4, '<i8': 8, '|u1': 1, '<u2': 2 } as const;

/** Element types as NumPy writes them: little-endian floats and integers, and bytes. */
export type NpyType = keyof typeof sizes;

const types: Partial<Record<Dtype, NpyType>> = {
  F16: '<f2',
  F32: '<f4',
  F64: '<f8',
  I8: '|i1',
  I16: '<i2',
  I32: '<i4',
  I64: '<i8',
  U8: '|u1',
  U16: '<u2',
};

/** The type of a safetensors file as NumPy writes it; undefined where it has none, or none that is written here. */
export function npyTypeOf(dtype: Dtype): NpyType | undefined {
  return types[dtype];
}

/** An array with its content: row-major little-endian bytes in pieces, so that nobody has to join them. */
export interface NpyArray {
  readonly type: NpyType;
  readonly shape: readonly number[];
  readonly chunks: Iterable<Uint8Array>;
}

/** An array that was read; `data` is a view of what it was read from. */
export interface ReadNpy {
  readonly type: NpyType;
  readonly shape: readonly number[];
  /** Row-major, little-endian. */
  readonly data: Uint8Array;
}

const MAGIC = Buffer.from('\x93NUMPY', 'latin1');
/** Everything before the header: magic, version, length. */
const PREFIX = 10;
/** Data begin at a multiple of this. */
const ALIGNMENT = 64;
/** NumPy leaves room for the digits of the first axis, so that an array can grow in its file. */
const AXIS_DIGITS = 21;

/** A typed array as an array to write; one axis, unless a shape is given. */
export function npyArray(
  values: Float32Array | Float64Array | Int32Array | BigInt64Array | Uint8Array,
  shape: readonly number[] = [values.length],
): NpyArray {
  return { type: typeOf(values), shape, chunks: [littleEndianBytes(values)] };
}

/** Bytes that an array takes in its file, header and all. */
export function npyBytes(array: Pick<NpyArray, 'type' | 'shape'>): number {
  return npyHeader(array).length + dataBytes(array);
}

/**
 * The head of a `.npy` file of version 1.0, byte for byte as `numpy.save` writes it.
 * Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */
export function npyHeader({ type, shape }: Pick<NpyArray, 'type' | 'shape'>): Uint8Array {
  const axes = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const text = `{'descr': '${type}', 'fortran_order': False, 'shape': (${axes}), }`;
  const growth = shape.length === 0 ? 0 : AXIS_DIGITS - String(shape[0]).length;
  const bytes = Math.ceil((PREFIX + text.length + growth + 1) / ALIGNMENT) * ALIGNMENT;
  const header = Buffer.alloc(bytes, ' ');
  MAGIC.copy(header);
  header.writeUInt16LE(1, MAGIC.length);
  header.writeUInt16LE(bytes - PREFIX, PREFIX - 2);
  header.write(text, PREFIX, 'latin1');
  header[bytes - 1] = 0x0a;
  return header;
}

/**
 * A `.npy` file as a sequence of chunks: the header, then the content as it is.
 * @throws SluiceError `BAD_NPY` for content whose length does not fit its shape
 */
export function* npyChunks(array: NpyArray): Generator<Uint8Array, void, undefined> {
  yield npyHeader(array);
  let bytes = 0;
  for (const chunk of array.chunks) {
    bytes += chunk.length;
    yield chunk;
  }
  const expected = dataBytes(array);
  if (bytes !== expected) {
    throw fail(`an array of shape (${array.shape.join(', ')}) has ${bytes} bytes, and needs ${expected}`);
  }
}

/** `(3, 4)`, `(3,)` or `()`, as Python writes a tuple. */
const HEADER = /^\{'descr': '([^']*)', 'fortran_order': (True|False), 'shape': \(((?:\d+,? ?)*)\),? *\}\s*$/;

/**
 * Reads the head of a `.npy` file, version 1.0 to 3.0, of which `head` holds the beginning and `bytes` is the size.
 * @returns type and shape, and where its data begin
 * @throws SluiceError `BAD_NPY` for what is no such file, a type that sluice does not write, column-major order, or another
 * number of bytes than its shape needs
 */
export function parseNpyHead(
  head: Uint8Array,
  bytes: number,
  path?: string,
): Pick<NpyArray, 'type' | 'shape'> & { readonly offset: number } {
  const view = Buffer.from(head.buffer, head.byteOffset, head.byteLength);
  if (view.length < PREFIX + 2 || view.compare(MAGIC, 0, MAGIC.length, 0, MAGIC.length) !== 0)
    throw fail('it does not begin as a .npy file does', path);
  const version = view[MAGIC.length] ?? 0;
  if (version < 1 || version > 3) throw fail(`its version is ${version}`, path);
  const start = version > 1 ? PREFIX + 2 : PREFIX;
  const offset = start + (version > 1 ? view.readUInt32LE(PREFIX - 2) : view.readUInt16LE(PREFIX - 2));
  if (offset > view.length) throw fail(`its header ends at byte ${offset}, and it has ${view.length}`, path);
  const text = view.toString('latin1', start, offset);
  const [, type = '', fortran, axes = ''] = HEADER.exec(text) ?? [];
  if (!isType(type)) throw fail(`its header is ${text.slice(0, 100).trim()}`, path);
  const shape = axes.split(',').flatMap((axis) => (axis.trim() === '' ? [] : [Number(axis)]));
  if (fortran === 'True' && shape.length > 1) throw fail('it is stored by columns', path);
  const needed = dataBytes({ type, shape });
  if (needed !== bytes - offset)
    throw fail(`its shape (${shape.join(', ')}) needs ${needed} bytes, and it has ${bytes - offset}`, path);
  return { type, shape, offset };
}

/**
 * Reads a `.npy` file in memory.
 * @throws SluiceError `BAD_NPY` as `parseNpyHead`
 */
export function parseNpy(bytes: Uint8Array, path?: string): ReadNpy {
  const { type, shape, offset } = parseNpyHead(bytes, bytes.length, path);
  return { type, shape, data: bytes.subarray(offset) };
}

/** The type of an array as a safetensors file says it. */
export function dtypeOf(type: NpyType): Dtype {
  const found = Object.entries(types).find(([, npy]) => npy === type);
  return (found?.[0] ?? 'U8') as Dtype;
}

function dataBytes({ type, shape }: Pick<NpyArray, 'type' | 'shape'>): number {
  return shape.reduce((product, side) => product * side, sizes[type]);
}

function isType(type: string): type is NpyType {
  return Object.hasOwn(sizes, type);
}

function typeOf(values: Parameters<typeof npyArray>[0]): NpyType {
  if (values instanceof Float32Array) return '<f4';
  if (values instanceof Float64Array) return '<f8';
  if (values instanceof Int32Array) return '<i4';
  if (values instanceof BigInt64Array) return '<i8';
  return '|u1';
}

function fail(what: string, path?: string): SluiceError {
  return new SluiceError(`no .npy array that can be used: ${what}`, { code: 'BAD_NPY', path });
}
