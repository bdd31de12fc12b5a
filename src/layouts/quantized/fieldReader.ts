import { fieldTensor, type StoredQuantization } from '../../quantization/fieldTensors.ts';
import type { Encoded } from '../../quantization/scheme.ts';
import type { QuantizedField, QuantizedFieldName } from '../../records.ts';
import { badLayout } from '../layout.ts';
import type { Tensors } from '../tensors.ts';
import {
  decodedRows,
  type Learned,
  learnedFrom,
  openColumn,
  partRanges,
  type QuantizedColumn,
  trainedEntries,
} from './column.ts';
import { learnedIn, type QuantizerPlace, readQuantizerContent } from './quantizerFile.ts';

/** The numbers of one field of a file, which holds them as float32, in fewer bytes, or both. */
export interface FieldReader {
  readonly rows: number;
  readonly columns: number;
  /** Whether the numbers are what a quantizer decodes. */
  readonly isDecoded: boolean;
  /** f32[to - from, columns]: as they were written where the file has them, else decoded. */
  floats(from: number, to: number): Promise<Float32Array<ArrayBuffer>>;
  /** How they are kept in fewer bytes; undefined where they are not. */
  stored(): Promise<Omit<QuantizedField, 'encoded'> | undefined>;
  /** Rows in those bytes; undefined where there are none. */
  encoded(from: number, to: number): Promise<QuantizedField | undefined>;
}

/**
 * Opens a field of a file that has its float32 tensor, or says how it is quantized.
 * @param shape of the float32 tensor: -1 stands for any side
 * @param rows that it must have; default: any
 * @throws SluiceError `MISSING_TENSOR`, `WRONG_TENSOR`, `BAD_QUANTIZATION`, `QUANTIZER_TENSOR`, `NO_QUANTIZER`, `OTHER_QUANTIZER`
 */
export async function openField(
  tensors: Tensors,
  field: QuantizedFieldName,
  shape: readonly number[],
  place: QuantizerPlace,
  rows?: number,
): Promise<FieldReader> {
  const name = fieldTensor(field);
  const stored = tensors.stored.get(field);
  let column: Promise<QuantizedColumn> | undefined;
  const quantized = async (): Promise<QuantizedColumn | undefined> => {
    if (stored === undefined) return undefined;
    column ??= quantizedColumn(tensors, stored, place);
    return column;
  };
  const isFloat = tensors.has(name);
  const described = ({ quantizer }: QuantizedColumn) => ({ field, quantizer, keep: isFloat });
  const encoded: FieldReader['encoded'] = async (from, to) => {
    const now = await quantized();
    return now && { ...described(now), encoded: await encodedRows(tensors, now, from, to) };
  };
  const asStored: FieldReader['stored'] = async () => {
    const now = await quantized();
    return now && described(now);
  };
  const only = isFloat ? undefined : await quantized();
  if (only !== undefined) {
    if (rows !== undefined && only.rows !== rows)
      throw badLayout(tensors.path, 'COUNT_MISMATCH', `has ${only.rows} rows of ${name}, and it should have ${rows}`);
    return {
      rows: only.rows,
      columns: only.quantizer.columns,
      isDecoded: true,
      stored: asStored,
      encoded,
      floats: async (from, to) => decodedRows(only, await encodedRows(tensors, only, from, to), from, tensors.path),
    };
  }
  const { shape: own } = tensors.require(name, 'F32', shape);
  const columns = field === 'embeddings' ? (own.at(-1) ?? 0) : 1;
  return {
    rows: (field === 'embeddings' ? own.at(-2) : own.at(-1)) ?? 0,
    columns,
    isDecoded: false,
    stored: asStored,
    encoded,
    floats: (from, to) => tensors.floats(name, from * columns, to * columns),
  };
}

async function quantizedColumn(
  tensors: Tensors,
  stored: StoredQuantization,
  place: QuantizerPlace,
): Promise<QuantizedColumn> {
  return openColumn(stored, tensors.header, await learned(tensors, stored, place), tensors.path);
}

async function learned(tensors: Tensors, stored: StoredQuantization, place: QuantizerPlace): Promise<Learned> {
  const { header, path, file } = tensors;
  if (stored.file !== undefined) return learnedIn(await readQuantizerContent(stored.file, place, path), stored, path);
  const entries = trainedEntries(stored, header, path);
  const contents: Uint8Array[] = [];
  for (const { offset, length } of entries) contents.push(await file.read(offset, offset + length));
  return learnedFrom(stored, entries, contents);
}

async function encodedRows(tensors: Tensors, column: QuantizedColumn, from: number, to: number): Promise<Encoded> {
  if (from < 0 || to > column.rows)
    throw badLayout(
      tensors.path,
      'COUNT_MISMATCH',
      `has ${column.rows} rows of ${column.stored.tensor}, and not ${to}`,
    );
  const parts: Uint8Array<ArrayBuffer>[] = [];
  for (const [start, end] of partRanges(column, from, to)) {
    // memory of its own, aligned as decoders need it
    parts.push(new Uint8Array(await tensors.file.read(start, end)));
  }
  return parts;
}
