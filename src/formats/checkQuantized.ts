import path from 'node:path';
import { SluiceError } from '../errors.ts';
import { canonicalJson, type JsonValue } from '../json.ts';
import { halvesFrom } from '../kernels/blocks/half.ts';
import {
  chainName,
  fieldTensor,
  isSignal,
  learnedTensors,
  openStored,
  parseQuantization,
  partTensor,
  partTensors,
  type Quantizers,
  requireParts,
  type StoredQuantization,
  type StoredTensors,
} from '../quantization/fieldTensors.ts';
import type { Quantizer } from '../quantization/quantizer.ts';
import { readQuantizers } from '../quantization/quantizerFile.ts';
import type { QuantizedFieldName } from '../records.ts';
import type { Complain } from './checkNumbers.ts';
import { float32From } from './littleEndian.ts';
import type { Dtype } from './safetensors/dtype.ts';
import type { TensorSpec } from './safetensors/write.ts';

/** Opens a quantizer file of the output by its path in it. */
export type OpenQuantizers = (path: string) => Promise<{ readonly quantizers: Quantizers; readonly sha256: string }>;

/** For files that stand by themselves. */
export const noQuantizers: OpenQuantizers = async (path) => {
  throw new SluiceError(`names ${path}, and there is no output to look for it in`, {
    code: 'QUANTIZER_FILE',
    hint: 'check the output folder that the file lies in',
  });
};

/** Those of an output folder; each is read once. */
export function quantizersOf(root: string): OpenQuantizers {
  const opened = new Map<string, ReturnType<OpenQuantizers>>();
  return (name) => {
    const known = opened.get(name);
    if (known !== undefined) return known;
    const quantizers = readQuantizers(path.join(root, name));
    opened.set(name, quantizers);
    return quantizers;
  };
}

/** What a commit record says of a file besides its sizes: chains by field, as `info.quantized` has them. */
export interface ExpectedQuantized {
  /** That of the commit, where a file can have one of two. */
  readonly format?: JsonValue | undefined;
  readonly quantized?: JsonValue | undefined;
}

/** What a file says of its quantized fields, and what is known besides. */
export interface QuantizedClaim extends ExpectedQuantized {
  readonly text: string | undefined;
  /** Those that such a file can hold. */
  readonly fields: readonly QuantizedFieldName[];
  /** Columns of embeddings; undefined where the file does not say. */
  readonly dim?: number | undefined;
}

/** A field, and what decodes it. */
export interface CheckedField {
  readonly stored: StoredQuantization;
  readonly quantizer: Quantizer;
}

const NOTHING: StoredTensors = { tensors: new Map(), read: async () => new Uint8Array(0) };

/**
 * Opens what a file says that its fields are quantized by.
 * @param here tensors of the file, which may hold what was learned
 * @returns undefined where something is wrong with that, which it has complained of
 */
export async function openFields(
  { text, fields, dim, quantized }: QuantizedClaim,
  open: OpenQuantizers,
  complain: Complain,
  here: StoredTensors = NOTHING,
): Promise<CheckedField[] | undefined> {
  try {
    const checked: CheckedField[] = [];
    for (const stored of parseQuantization(text)) {
      const { field, columns } = stored;
      const wanted = field === 'embeddings' ? (dim ?? columns) : 1;
      if (!fields.includes(field)) complain(`says that ${field} is quantized, which it does not hold`);
      else if (columns !== wanted) complain(`says that quantized ${field} has ${columns} columns, and it is ${wanted}`);
      else checked.push({ stored, quantizer: await openStored(stored, here, open) });
    }
    const found = Object.fromEntries(checked.map(({ stored: { field, chain } }) => [field, chainName(chain)]));
    const [is, should] = [found, quantized ?? {}].map((value) => canonicalJson(value));
    if (is !== should) complain(`has quantized ${is}, and was committed with ${should}`);
    return checked;
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    complain(`cannot be decoded: ${error.message}`);
    return undefined;
  }
}

/** Fields whose float32 values a file must have: those that are there, or not quantized. */
export function floatFields<F extends QuantizedFieldName>(
  fields: readonly F[],
  checked: readonly CheckedField[],
  hasOwn: (field: F) => boolean,
): F[] {
  return fields.filter((field) => hasOwn(field) || !checked.some(({ stored }) => stored.field === field));
}

/** The tensors of quantized fields: their parts, and what was learned where that is in the file. */
export function quantizedSpecs(
  checked: readonly CheckedField[],
  rows: { readonly patches: number; readonly bytes: number },
): TensorSpec[] {
  return checked.flatMap(({ stored: { field, file }, quantizer }) => {
    const parts = partTensors(field, quantizer, isSignal(field) ? rows.bytes : rows.patches);
    return file === undefined ? [...parts, ...learnedTensors(field, quantizer)] : parts;
  });
}

/** Tensors, and how to get at some of their bytes. */
export interface TensorRanges {
  readonly tensors: StoredTensors['tensors'];
  /** Bytes [from, to) of a tensor. */
  range(name: string, from: number, to: number): Promise<Uint8Array>;
}

const AT_ONCE = 1 << 20;

/** Checks the tensors of quantized fields, types and shapes first; tells of the first fault in each. */
export async function checkQuantizedTensors(
  checked: readonly CheckedField[],
  rows: { readonly patches: number; readonly bytes: number },
  { tensors, range }: TensorRanges,
  complain: Complain,
): Promise<void> {
  const known = new Set(quantizedSpecs(checked, rows).map(({ name }) => name));
  for (const name of tensors.keys()) {
    if (name.includes('.') && !known.has(name)) complain(`has a tensor '${name}' that belongs to no quantized field`);
  }
  for (const field of checked) {
    const { stored, quantizer } = field;
    const count = isSignal(stored.field) ? rows.bytes : rows.patches;
    const fault =
      partsFault(stored, quantizer, count, tensors) ??
      (await firstFault(field, count, (part, from, to) => range(partTensor(stored.field, part), from, to)));
    if (fault !== undefined) complain(fault);
  }
}

function partsFault(...given: Parameters<typeof requireParts>): string | undefined {
  try {
    requireParts(...given);
    return undefined;
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    return `cannot be decoded: ${error.message}`;
  }
}

async function firstFault(
  field: CheckedField,
  rows: number,
  range: (part: string, from: number, to: number) => Promise<Uint8Array>,
): Promise<string | undefined> {
  const { parts, columns } = field.quantizer;
  const rowBytes = parts.reduce((sum, part) => sum + part.rowBytes, 4 * columns);
  const step = Math.max(1, Math.floor(AT_ONCE / rowBytes));
  for (let row = 0; row < rows; row += step) {
    const end = Math.min(rows, row + step);
    const encoded: Uint8Array[] = [];
    for (const part of parts) encoded.push(await range(part.name, row * part.rowBytes, end * part.rowBytes));
    const fault = rowsFault(field, end - row, encoded, row);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/**
 * What is wrong with some rows: scales that are negative, numbers that are not finite, codes that no encoder gives.
 * @param encoded for each part the bytes of the rows
 * @param firstRow number of the first of them
 */
export function rowsFault(
  { stored: { field }, quantizer }: CheckedField,
  rows: number,
  encoded: readonly Uint8Array[],
  firstRow: number,
): string | undefined {
  for (const [i, { name, dtype, rowBytes }] of quantizer.parts.entries()) {
    const bytes = encoded[i] ?? new Uint8Array(0);
    if (bytes.length !== rows * rowBytes)
      return `has ${bytes.length} bytes of ${partTensor(field, name)} for ${rows} rows`;
    const least = name === 'scales' ? 0 : Number.NEGATIVE_INFINITY;
    const numbers = numbersOf(dtype, bytes);
    const bad = numbers.findIndex((value) => !(Number.isFinite(value) && value >= least));
    if (bad >= 0) {
      const row = firstRow + Math.floor((bad * rows) / numbers.length);
      return `has ${numbers[bad]} among ${partTensor(field, name)} in row ${row}`;
    }
  }
  try {
    const values = quantizer.decode(encoded);
    const bad = values.findIndex((value) => !Number.isFinite(value));
    if (bad < 0 && values.length === rows * quantizer.columns) return undefined;
    const row = firstRow + Math.floor(bad / quantizer.columns);
    return `has ${fieldTensor(field)} that are decoded to ${bad < 0 ? `${values.length} numbers` : `${values[bad]} in row ${row}`}`;
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    const place = firstRow === 0 ? '' : ` behind row ${firstRow}`;
    return `has ${fieldTensor(field)} that cannot be decoded${place}: ${error.message}`;
  }
}

/** Floating-point numbers of a part; none of other types. */
function numbersOf(dtype: Dtype, bytes: Uint8Array): Float32Array {
  if (dtype === 'F32') return float32From(bytes);
  return dtype === 'F16' ? halvesFrom(bytes) : new Float32Array(0);
}

/** Checks quantized values that come row by row of a table, some of them at a time. */
export class RowsCheck {
  readonly #field: CheckedField;
  readonly #bad: (row: number, what: string) => void;
  #pending: { readonly row: number; readonly count: number; readonly encoded: readonly Uint8Array[] }[] = [];
  #bytes = 0;

  /** @param bad told the number of a row, and what it has */
  constructor(field: CheckedField, bad: (row: number, what: string) => void) {
    this.#field = field;
    this.#bad = bad;
  }

  /**
   * @param row number of the row of the table
   * @param count how many rows of the field it has
   * @param values its cells, one for each part
   */
  add(row: number, count: number, values: readonly unknown[]): void {
    const encoded = values.filter((value) => value instanceof Uint8Array);
    this.#pending.push({ row, count, encoded });
    this.#bytes += 4 * count * this.#field.quantizer.columns;
    if (this.#bytes >= AT_ONCE) this.end();
  }

  end(): void {
    const rows = this.#pending;
    this.#pending = [];
    this.#bytes = 0;
    const all = this.#field.quantizer.parts.map((_, i) =>
      Buffer.concat(rows.flatMap(({ encoded }) => encoded[i] ?? [])),
    );
    const total = rows.reduce((sum, { count }) => sum + count, 0);
    const misfits = rows.some((row) => this.#misfits(row));
    if (!misfits && rowsFault(this.#field, total, all, 0) === undefined) return;
    for (const { row, count, encoded } of rows) {
      const fault = rowsFault(this.#field, count, encoded, 0);
      if (fault !== undefined) this.#bad(row, fault.replace(/^has /, ''));
    }
  }

  #misfits({ count, encoded }: { readonly count: number; readonly encoded: readonly Uint8Array[] }): boolean {
    return this.#field.quantizer.parts.some(({ rowBytes }, i) => encoded[i]?.length !== count * rowBytes);
  }
}
