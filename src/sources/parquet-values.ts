import { isUtf8 } from 'node:buffer';
import type { MetaValue } from '../records.ts';
import { kindName } from './columns.ts';
import { type FileBytes, fileOf, isEmptyStruct } from './parquet-files.ts';
import type { PhysicalColumn } from './parquet-schema.ts';

/** Why a row cannot be read. */
export class Unfit extends Error {
  readonly code: string;
  readonly hint: string | undefined;
  constructor(code: string, message: string, hint?: string) {
    super(message);
    this.code = code;
    this.hint = hint;
  }
}

/** The digits of an unscaled decimal with its point: 1230 and scale 2 are `12.30`. */
function decimalText(value: unknown, scale: number): string {
  let unscaled = 0n;
  if (value instanceof Uint8Array) {
    for (const byte of value) unscaled = (unscaled << 8n) | BigInt(byte);
    unscaled = BigInt.asIntN(value.length * 8, unscaled);
  } else unscaled = BigInt(value as number | bigint);
  const digits = (unscaled < 0n ? -unscaled : unscaled).toString().padStart(scale + 1, '0');
  const text = scale > 0 ? `${digits.slice(0, -scale)}.${digits.slice(-scale)}` : digits;
  return unscaled < 0n ? `-${text}` : text;
}

function utf8(column: PhysicalColumn, bytes: Uint8Array): string {
  if (!isUtf8(bytes)) throw new Unfit('INVALID_UTF8', `column '${column.name}' is not valid UTF-8`);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}

function scalar(column: PhysicalColumn, value: unknown, files: FileBytes): MetaValue {
  // The schema was checked at plan time: every stored type that reaches a conversion is the one it is for.
  switch (column.conversion) {
    case 'same':
      // A view would carry its whole page over the thread boundary.
      return value instanceof Uint8Array ? new Uint8Array(value) : (value as MetaValue);
    case 'text':
      return utf8(column, value as Uint8Array);
    case 'file':
    case 'fileBytes':
    case 'filePath':
      return fileOf(column.conversion, value, {
        bytes: (bytes) => files.keep(bytes),
        path: (bytes) => utf8(column, bytes),
      });
    case 'bigint':
      return BigInt(value as number | bigint);
    case 'uint32':
      return (value as number) >>> 0;
    case 'uint64':
      return BigInt.asUintN(64, value as bigint);
    case 'decimal':
      return decimalText(value, column.scale);
    case 'days':
      return new Date((value as number) * 86_400_000);
    case 'milliseconds':
      return new Date(Number(value as bigint));
    case 'microseconds':
      return new Date(Number((value as bigint) / 1000n));
    case 'nanoseconds':
      return new Date(Number((value as bigint) / 1_000_000n));
  }
}

function isAbsent({ conversion }: PhysicalColumn, value: unknown): boolean {
  return value === undefined || value === null || (conversion === 'file' && isEmptyStruct(value));
}

/** Whether a stored value stands for null. */
export function isNull(column: PhysicalColumn, stored: unknown): boolean {
  return column.list ? stored === undefined || stored === null : isAbsent(column, stored);
}

/**
 * A stored value of a column as the value of its kind.
 *
 * @throws Unfit `NULL_VALUE`, `INVALID_UTF8`
 */
export function convert(column: PhysicalColumn, stored: unknown, files: FileBytes): MetaValue {
  if (isNull(column, stored)) {
    if (column.nullable) return null;
    const nullable = kindName({ ...column, nullable: true });
    throw new Unfit('NULL_VALUE', `column '${column.name}' is null`, `Declare it '${nullable}' to allow that.`);
  }
  if (!column.list) return scalar(column, stored, files);
  return Array.from(stored as ArrayLike<unknown>, (element) => {
    if (isAbsent(column, element)) {
      throw new Unfit('NULL_VALUE', `column '${column.name}' holds a list with a null in it`);
    }
    return scalar(column, element, files);
  });
}

/** The bytes of a text, often a view of their page. */
export function textBytes(column: PhysicalColumn, value: unknown, files: FileBytes): Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (value === undefined || value === null) throw new Unfit('NULL_VALUE', `column '${column.name}' is null`);
  return Buffer.from(`${convert(column, value, files)}`);
}
