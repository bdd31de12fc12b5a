import { isUtf8 } from 'node:buffer';
import type { FileRef, MetaValue } from '../../records.ts';
import { didYouMean } from '../../suggest.ts';
import { type Column, kindName, type ScalarKind, type Table } from '../columns.ts';
import { Failure } from '../failure.ts';
import type { ArrowField, ArrowSchema, ArrowType, TimeUnit } from './types.ts';
import type { ArrowVector, StoredValue, StructValue } from './vectors.ts';

/** How stored values become values of a kind; all of it exact. */
type Conversion =
  | 'same'
  | 'bytes'
  | 'text'
  | 'bigint'
  | 'decimal'
  | 'days'
  | TimeUnit
  | 'file'
  | 'fileBytes'
  | 'filePath';

/** A declared column in a file's schema. */
export interface ArrowColumn extends Column {
  /** Its number among the fields of the schema. */
  readonly field: number;
  readonly conversion: Conversion;
  /** Digits behind the point of a decimal. */
  readonly scale: number;
}

const ALL_KINDS: readonly ScalarKind[] = ['string', 'int32', 'int64', 'double', 'bool', 'timestamp', 'binary', 'file'];
const FILE_MEMBERS: readonly string[] = ['bytes', 'path', 'url'];

const stored = (type: ArrowType): ArrowType => (type.kind === 'dictionary' ? stored(type.values) : type);

function itemOf(type: ArrowType): ArrowType | undefined {
  const own = stored(type);
  return own.kind === 'list' || own.kind === 'listView' || own.kind === 'fixedList' ? stored(own.item) : undefined;
}

const isBytes = (type: ArrowType): boolean => ['bytes', 'views', 'fixed'].includes(type.kind);
const isText = (type: ArrowType): boolean => (type.kind === 'bytes' || type.kind === 'views') && type.text;

/** A struct of bytes and path, as Hugging Face datasets store images and audio. */
function isFile(type: ArrowType): boolean {
  if (type.kind !== 'struct') return false;
  const members = type.members.filter(({ name }) => FILE_MEMBERS.includes(name));
  return members.length > 0 && members.every(({ type: member }) => isBytes(stored(member)) || member.kind === 'null');
}

function integerBytes(type: ArrowType): { readonly bytes: number; readonly signed: boolean } | undefined {
  if (type.kind === 'int') return type;
  if (type.kind === 'span' && type.bytes <= 8) return { bytes: type.bytes, signed: true };
  if (type.kind === 'timestamp') return { bytes: 8, signed: true };
  return type.kind === 'date' ? { bytes: type.unit === 'days' ? 4 : 8, signed: true } : undefined;
}

/** The exact way from what is stored to a kind; undefined where there is none. */
function conversionTo(kind: ScalarKind, type: ArrowType): Conversion | undefined {
  // Nothing is stored, and every value is null.
  if (type.kind === 'null') return 'same';
  const integer = integerBytes(type);
  switch (kind) {
    case 'string':
      if (type.kind === 'decimal') return 'decimal';
      return isText(type) ? 'text' : undefined;
    case 'binary':
      return isBytes(type) ? 'bytes' : undefined;
    case 'bool':
      return type.kind === 'bool' ? 'same' : undefined;
    case 'double':
      if (type.kind === 'int') return type.bytes <= 4 ? 'same' : undefined;
      return type.kind === 'float' ? 'same' : undefined;
    case 'int32':
      return integer !== undefined && (integer.bytes < 4 || (integer.bytes === 4 && integer.signed))
        ? 'same'
        : undefined;
    case 'int64':
      return integer === undefined ? undefined : 'bigint';
    case 'timestamp':
      return type.kind === 'timestamp' || type.kind === 'date' ? type.unit : undefined;
    case 'file':
      if (isFile(type)) return 'file';
      return isText(type) ? 'filePath' : isBytes(type) ? 'fileBytes' : undefined;
  }
}

function storedAs(type: ArrowType): string {
  const item = itemOf(type);
  if (item !== undefined) return `list of ${storedAs(item)}`;
  const own = stored(type);
  if (own.kind === 'bytes' || own.kind === 'views') return own.text ? 'text' : 'bytes';
  if (own.kind === 'int') return `${own.signed ? '' : 'u'}int${own.bytes * 8}`;
  return own.kind === 'fixed' ? 'bytes' : own.kind;
}

function arrowColumn(column: Column, fields: readonly ArrowField[], file: string): ArrowColumn {
  const names = fields.map(({ name }) => name);
  const field = names.indexOf(column.name);
  const type = fields[field]?.type;
  if (type === undefined) {
    throw new Failure('MISSING_COLUMN', `'${file}' has no column '${column.name}'`, didYouMean(column.name, names));
  }
  if (names.indexOf(column.name, field + 1) !== -1) {
    throw new Failure('DUPLICATE_COLUMN', `'${file}' has several columns '${column.name}'`);
  }
  const item = itemOf(type);
  const own = item ?? stored(type);
  const kinds = column.or === undefined ? [column.kind] : [column.kind, column.or];
  const kind = kinds.find((candidate) => conversionTo(candidate, own) !== undefined) ?? column.kind;
  const list = item !== undefined || (own.kind === 'null' && column.list);
  const conversion = list === column.list ? conversionTo(kind, own) : undefined;
  if (conversion === undefined) {
    const fitting = ALL_KINDS.filter((candidate) => conversionTo(candidate, own) !== undefined);
    const hints = fitting.map((candidate) => `'${kindName({ kind: candidate, list, nullable: false })}'`);
    throw new Failure(
      'WRONG_TYPE',
      `column '${column.name}' of '${file}' is declared ${kindName(column)} but holds ${storedAs(type)}`,
      hints.length === 0
        ? 'Only scalars, files (structs with bytes, path or url) and lists of them can be read.'
        : `It can be read as ${hints.join(' or ')}.`,
    );
  }
  return { ...column, kind, field, conversion, scale: own.kind === 'decimal' ? own.scale : 0 };
}

/**
 * Matches a table against a file's schema.
 *
 * @throws Failure `MISSING_COLUMN`, `DUPLICATE_COLUMN`, `WRONG_TYPE`
 */
export function arrowTable(
  table: Table,
  { fields }: ArrowSchema,
  file: string,
): { readonly text: ArrowColumn; readonly columns: readonly ArrowColumn[] } {
  const text = arrowColumn({ ...table.text, nullable: false }, fields, file);
  return { text, columns: table.columns.map((column) => arrowColumn(column, fields, file)) };
}

/** The digits of a decimal, stored little end first, with its point: 1230 and scale 2 are `12.30`. */
function decimalText(bytes: Uint8Array, scale: number): string {
  const unscaled = BigInt.asIntN(
    bytes.length * 8,
    bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n),
  );
  const zeros = scale < 0 ? '0'.repeat(-scale) : '';
  const digits = `${unscaled < 0n ? -unscaled : unscaled}${unscaled === 0n ? '' : zeros}`.padStart(scale + 1, '0');
  const text = scale > 0 ? `${digits.slice(0, -scale)}.${digits.slice(-scale)}` : digits;
  return unscaled < 0n ? `-${text}` : text;
}

function utf8(column: ArrowColumn, bytes: Uint8Array): string {
  if (!isUtf8(bytes)) throw new Failure('INVALID_UTF8', `column '${column.name}' is not valid UTF-8`);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}

function fileOf(column: ArrowColumn, { row, members }: StructValue): FileRef | null {
  const member = (name: string): Uint8Array | undefined => {
    const vector = members.get(name);
    // The schema was checked at plan time: these members are bytes.
    return vector === undefined || vector.isNull(row) ? undefined : (vector.at(row) as Uint8Array);
  };
  const [bytes, path] = [member('bytes'), member('path') ?? member('url')];
  if (bytes === undefined && path === undefined) return null;
  // A view would keep the batch.
  return {
    bytes: bytes === undefined ? null : new Uint8Array(bytes),
    path: path === undefined ? null : utf8(column, path),
  };
}

function scalar(column: ArrowColumn, value: StoredValue): MetaValue {
  // The schema was checked at plan time: every stored type that reaches a conversion is the one it is for.
  switch (column.conversion) {
    case 'same':
      return value as number | boolean;
    case 'bytes':
      return new Uint8Array(value as Uint8Array);
    case 'text':
      return utf8(column, value as Uint8Array);
    case 'bigint':
      return BigInt(value as number | bigint);
    case 'decimal':
      return decimalText(value as Uint8Array, column.scale);
    case 'days':
      return new Date(Number(value as number | bigint) * 86_400_000);
    case 'seconds':
      return new Date(Number(value as bigint) * 1000);
    case 'milliseconds':
      return new Date(Number(value as bigint));
    case 'microseconds':
      return new Date(Number((value as bigint) / 1000n));
    case 'nanoseconds':
      return new Date(Number((value as bigint) / 1_000_000n));
    case 'file':
      return fileOf(column, value as StructValue);
    case 'fileBytes':
      return { bytes: new Uint8Array(value as Uint8Array), path: null };
    case 'filePath':
      return { bytes: null, path: utf8(column, value as Uint8Array) };
  }
}

/**
 * The value of a column in a row.
 *
 * @throws Failure `NULL_VALUE`, `INVALID_UTF8`
 */
export function arrowValue(column: ArrowColumn, vector: ArrowVector, row: number): MetaValue {
  const value = vector.isNull(row)
    ? null
    : column.list
      ? listOf(column, vector.at(row))
      : scalar(column, vector.at(row));
  if (value !== null || column.nullable) return value;
  const nullable = kindName({ ...column, nullable: true });
  throw new Failure('NULL_VALUE', `column '${column.name}' is null`, `Declare it '${nullable}' to allow that.`);
}

function listOf(column: ArrowColumn, value: StoredValue): MetaValue {
  const { items, start, end } = value as { items: ArrowVector; start: number; end: number };
  const values: MetaValue[] = [];
  for (let index = start; index < end; index++) {
    const item = items.isNull(index) ? null : scalar(column, items.at(index));
    if (item === null) throw new Failure('NULL_VALUE', `column '${column.name}' holds a list with a null in it`);
    values.push(item);
  }
  return values;
}

/** The bytes of a text; views of the batch, as they are stored. */
export function arrowText(column: ArrowColumn, vector: ArrowVector, row: number): Uint8Array {
  if (vector.isNull(row)) throw new Failure('NULL_VALUE', `column '${column.name}' is null`);
  const value = vector.at(row);
  return value instanceof Uint8Array && column.conversion !== 'decimal'
    ? value
    : Buffer.from(`${scalar(column, value)}`);
}
