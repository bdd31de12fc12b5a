import { type BlockType, blockTypes } from '../../kernels/blocks/layout.ts';

/** Types of metadata values; the place in the list is the number in the file. */
export const valueTypes = [
  'uint8',
  'int8',
  'uint16',
  'int16',
  'uint32',
  'int32',
  'float32',
  'bool',
  'string',
  'array',
  'uint64',
  'int64',
  'float64',
] as const;

export type ValueType = (typeof valueTypes)[number];
/** Types whose values are JavaScript numbers. */
export type NumberType = 'uint8' | 'int8' | 'uint16' | 'int16' | 'uint32' | 'int32' | 'float32' | 'float64';

export type NumberArray =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array;

/** A metadata array; numbers lie in the typed array of their type, bools as 0 and 1. */
export type GgufArray =
  | { readonly of: NumberType; readonly items: NumberArray }
  | { readonly of: 'uint64'; readonly items: BigUint64Array }
  | { readonly of: 'int64'; readonly items: BigInt64Array }
  | { readonly of: 'bool'; readonly items: Uint8Array }
  | { readonly of: 'string'; readonly items: readonly string[] }
  | { readonly of: 'array'; readonly items: readonly GgufArray[] };

/** A metadata value with the type that it has in the file. */
export type GgufValue =
  | { [T in NumberType]: { readonly type: T; readonly value: number } }[NumberType]
  | { readonly type: 'uint64'; readonly value: bigint }
  | { readonly type: 'int64'; readonly value: bigint }
  | { readonly type: 'bool'; readonly value: boolean }
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'array'; readonly value: GgufArray };

export type GgufMetadata = ReadonlyMap<string, GgufValue>;

/** Bytes of one value of each type with a fixed size. */
export const valueSizes: Readonly<Record<Exclude<ValueType, 'string' | 'array'>, number>> = {
  uint8: 1,
  int8: 1,
  uint16: 2,
  int16: 2,
  uint32: 4,
  int32: 4,
  float32: 4,
  float64: 8,
  bool: 1,
  uint64: 8,
  int64: 8,
};

/** The typed array that holds numbers of a type. */
export const numberArrays = {
  uint8: Uint8Array,
  int8: Int8Array,
  uint16: Uint16Array,
  int16: Int16Array,
  uint32: Uint32Array,
  int32: Int32Array,
  float32: Float32Array,
  float64: Float64Array,
} as const satisfies Record<NumberType, unknown>;

/** Numbers of the tensor types that sluice reads and writes. */
export const tensorTypeIds: Readonly<Record<BlockType, number>> = {
  F32: 0,
  F16: 1,
  Q8_0: 8,
  Q4_K: 12,
  Q6_K: 14,
  BF16: 30,
};

const tensorTypes = new Map(blockTypes.map((type) => [tensorTypeIds[type], type]));

/** The type with that number, where sluice knows its layout. */
export function tensorTypeOf(id: number): BlockType | undefined {
  return tensorTypes.get(id);
}

/** Names of ggml's other types, for messages. */
const otherTypes: Readonly<Record<number, string>> = {
  2: 'Q4_0',
  3: 'Q4_1',
  6: 'Q5_0',
  7: 'Q5_1',
  9: 'Q8_1',
  10: 'Q2_K',
  11: 'Q3_K',
  13: 'Q5_K',
  15: 'Q8_K',
  16: 'IQ2_XXS',
  17: 'IQ2_XS',
  18: 'IQ3_XXS',
  19: 'IQ1_S',
  20: 'IQ4_NL',
  21: 'IQ3_S',
  22: 'IQ2_S',
  23: 'IQ4_XS',
  24: 'I8',
  25: 'I16',
  26: 'I32',
  27: 'I64',
  28: 'F64',
  29: 'IQ1_M',
  34: 'TQ1_0',
  35: 'TQ2_0',
  39: 'MXFP4',
};

/** `Q5_K (type 13)`, or `type 99`. */
export function tensorTypeName(id: number): string {
  const name = tensorTypes.get(id) ?? otherTypes[id];
  return name === undefined ? `type ${id}` : `${name} (type ${id})`;
}

export const DEFAULT_ALIGNMENT = 32;
export const ALIGNMENT_KEY = 'general.alignment';
/** What ggml allows. */
export const MAX_DIMENSIONS = 4;
export const MAX_TENSOR_NAME_BYTES = 64;
export const MAX_KEY_BYTES = 65_535;

export function alignUp(offset: number, alignment: number): number {
  return Math.ceil(offset / alignment) * alignment;
}

/** A power of two from 8 on, small enough that padding stays small. */
export function isAlignment(value: unknown): value is number {
  return typeof value === 'number' && value >= 8 && value <= 1 << 20 && Number.isInteger(Math.log2(value));
}
