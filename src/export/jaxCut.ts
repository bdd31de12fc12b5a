import type { Dtype } from '../formats/safetensors/dtype.ts';
import type { TensorSpec } from '../formats/safetensors/write.ts';
import { fieldTensor, learnedTensors, partTensors, type StoredQuantization } from '../quantization/fieldTensors.ts';
import type { TrainedTensor } from '../quantization/scheme.ts';
import type { QuantizedField } from '../records.ts';

/** Rows [start, end) of all patches, of which `rows` are written. */
export interface JaxRange {
  readonly index: number;
  readonly start: number;
  readonly end: number;
  readonly rows: number;
}

/** A field that is written as the parts that it is kept in; besides its float32 values where `keep` is set. */
export type JaxField = Omit<QuantizedField, 'encoded'>;

/** What is written of which patches. */
export interface JaxCut {
  readonly name: string;
  readonly pad: boolean;
  readonly patches: number;
  readonly dim: number;
  readonly fields: readonly JaxField[];
  readonly ranges: readonly JaxRange[];
}

/** A tensor of a shard, by where it comes from. */
export type JaxTensor = TensorSpec &
  (
    | { readonly kind: 'float'; readonly field: 'embeddings' | 'prominence' | 'entropy'; readonly width: number }
    | { readonly kind: 'lengths' | 'bytes' | 'mask' }
    | { readonly kind: 'part'; readonly field: JaxField['field']; readonly part: number; readonly rowBytes: number }
    | { readonly kind: 'learned'; readonly values: TrainedTensor['values'] }
  );

/**
 * The tensors of so many rows. Those of kind `learned` are whole in every shard; all others but `bytes` have a row for each.
 * @param bytes of all patches
 */
export function jaxTensors({ dim, pad, fields }: JaxCut, rows: number, bytes = 0): JaxTensor[] {
  const floats = (['embeddings', 'entropy', 'prominence'] as const)
    .filter((name) => !fields.some(({ field, keep }) => field === name && !keep))
    .map((field): JaxTensor => {
      const isWide = field === 'embeddings';
      const shape = isWide ? [rows, dim] : [rows];
      return { kind: 'float', field, name: fieldTensor(field), dtype: 'F32', shape, width: isWide ? dim : 1 };
    });
  return [
    ...floats,
    ...fields.flatMap((field) => partsOf(field, rows)),
    { kind: 'lengths', name: 'patch_lengths', dtype: 'I32', shape: [rows] },
    { kind: 'bytes', name: 'bytes', dtype: 'U8', shape: [bytes] },
    ...(pad ? [{ kind: 'mask', name: 'mask', dtype: 'U8', shape: [rows] } as const] : []),
  ];
}

function partsOf({ field, quantizer }: JaxField, rows: number): JaxTensor[] {
  return [
    ...partTensors(field, quantizer, rows).map((spec, part): JaxTensor => {
      return { ...spec, kind: 'part', field, part, rowBytes: quantizer.parts[part]?.rowBytes ?? 0 };
    }),
    ...learnedTensors(field, quantizer).map((tensor): JaxTensor => ({ kind: 'learned', ...tensor })),
  ];
}

/** What readers are told of them. */
export function describedFields(fields: readonly JaxField[]): Omit<StoredQuantization, 'tensor'>[] {
  return fields.map(({ field, quantizer: { chain, columns } }) => ({ field, chain, columns }));
}

/** Rows of the global array. */
export function globalRows({ ranges, patches, pad }: JaxCut): number {
  return pad ? ranges.reduce((sum, { rows }) => sum + rows, 0) : patches;
}

/** Base name of a shard. */
export function shardName({ name, ranges }: JaxCut, index: number): string {
  return `${name}_shard_${index}_of_${ranges.length}.safetensors`;
}

const NUMPY_TYPES: Readonly<Partial<Record<Dtype, string>>> = {
  BOOL: 'bool',
  U8: 'uint8',
  I8: 'int8',
  I16: 'int16',
  U16: 'uint16',
  F16: 'float16',
  BF16: 'bfloat16',
  I32: 'int32',
  U32: 'uint32',
  F32: 'float32',
  F64: 'float64',
  I64: 'int64',
  U64: 'uint64',
};

/** As NumPy and JAX call a type. */
export function numpyType(dtype: Dtype): string {
  return NUMPY_TYPES[dtype] ?? dtype.toLowerCase();
}
