import type { FileRef, MetaValue } from '../records.ts';
import { didYouMean } from '../suggest.ts';
import { type Column, kindName, type Table, valuesWhere } from './columns.ts';
import { Failure } from './failure.ts';
import { suggesting, typeOfJson } from './fitting-kind.ts';
import { timeOf } from './times.ts';

export interface JsonRow {
  readonly text: Uint8Array;
  readonly meta: { readonly [name: string]: MetaValue };
}

/** Thrown where a number has more digits than a double holds: only the source text knows its value. */
const INEXACT = new Error('inexact');

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

function describe(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'a list' : typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

function wrong(column: Column, value: unknown): Failure {
  return new Failure(
    'WRONG_TYPE',
    `column '${column.name}' is declared ${kindName(column)} but the value is ${describe(value)}`,
  );
}

function int64(column: Column, value: unknown): bigint {
  let exact: bigint;
  if (typeof value === 'bigint') exact = value;
  else if (typeof value === 'number' && Number.isInteger(value)) {
    if (!Number.isSafeInteger(value)) throw INEXACT;
    exact = BigInt(value);
  } else if (typeof value === 'string' && /^-?\d{1,19}$/.test(value)) exact = BigInt(value);
  else throw wrong(column, value);
  if (BigInt.asIntN(64, exact) !== exact) {
    throw new Failure('OUT_OF_RANGE', `column '${column.name}': ${exact} is outside int64`);
  }
  return exact;
}

function text(column: Column, value: unknown): string {
  if (typeof value !== 'string') throw wrong(column, value);
  if (!value.isWellFormed()) {
    throw new Failure('LONE_SURROGATE', `column '${column.name}' holds half of a UTF-16 pair, which UTF-8 cannot hold`);
  }
  return value;
}

/** The bytes of base64 text; undefined of any other. */
function base64(value: string): Uint8Array | undefined {
  return value.length % 4 === 0 && BASE64.test(value) ? new Uint8Array(Buffer.from(value, 'base64')) : undefined;
}

/** A path or URL, or an object that has one, or bytes, or both. */
function file(column: Column, value: unknown): FileRef | null {
  if (typeof value === 'string') return { bytes: null, path: text(column, value) };
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(column, value);
  if (!['bytes', 'path', 'url'].some((name) => Object.hasOwn(value, name))) {
    throw new Failure(
      'WRONG_TYPE',
      `column '${column.name}' is declared ${kindName(column)} but its object has no bytes, path or url`,
    );
  }
  const own = (name: string): string | null => {
    const member: unknown = Object.hasOwn(value, name) ? Reflect.get(value, name) : null;
    return member === null ? null : text(column, member);
  };
  const encoded = own('bytes');
  const bytes = encoded === null ? null : base64(encoded);
  if (bytes === undefined) {
    throw new Failure(
      'WRONG_TYPE',
      `column '${column.name}' is declared ${kindName(column)} but its bytes are not base64`,
    );
  }
  const path = own('path') ?? own('url');
  if (bytes !== null || path !== null) return { bytes, path };
  if (column.nullable && !column.list) return null;
  throw new Failure(
    'NULL_VALUE',
    `column '${column.name}' has neither bytes nor a path`,
    column.list ? undefined : `Declare it '${kindName({ ...column, nullable: true })}' to allow that.`,
  );
}

/**
 * A JSON value as the value of a column, lists aside.
 *
 * @throws Failure `WRONG_TYPE`, `NULL_VALUE`, `OUT_OF_RANGE`, `LONE_SURROGATE`
 */
export function jsonScalar(column: Column, value: unknown): MetaValue {
  switch (column.kind) {
    case 'string':
      // Binary is base64 in JSON, which nobody can tell from text: it must be declared.
      if (column.or === 'int64' && typeof value !== 'string') return int64(column, value);
      return text(column, value);
    case 'bool':
      if (typeof value === 'boolean') return value;
      break;
    case 'double':
      if (typeof value === 'number') return value;
      if (typeof value === 'bigint') return Number(value);
      break;
    case 'int32':
      if (typeof value === 'number' && (value | 0) === value) return value;
      if (typeof value === 'number' || typeof value === 'bigint') {
        throw new Failure('OUT_OF_RANGE', `column '${column.name}': ${value} is not an int32`);
      }
      break;
    case 'int64':
      return int64(column, value);
    case 'binary':
      if (typeof value === 'string') {
        const bytes = base64(value);
        if (bytes !== undefined) return bytes;
        throw new Failure('WRONG_TYPE', `column '${column.name}' is declared binary but the value is not base64`);
      }
      break;
    case 'file':
      return file(column, value);
    case 'timestamp': {
      const time = typeof value === 'string' ? timeOf(value) : Number.NaN;
      if (!Number.isNaN(time)) return new Date(time);
      if (typeof value === 'string') {
        throw new Failure(
          'WRONG_TYPE',
          `column '${column.name}' is declared timestamp but '${value.slice(0, 40)}' is no RFC 3339 time`,
        );
      }
      break;
    }
  }
  throw wrong(column, value);
}

function member(column: Column, record: object): MetaValue {
  // A member may be called `constructor`: what an object inherits is not part of the record.
  const value: unknown = Object.hasOwn(record, column.name) ? Reflect.get(record, column.name) : undefined;
  if (value === undefined) {
    if (column.nullable) return null;
    throw new Failure(
      'MISSING_COLUMN',
      `there is no column '${column.name}'`,
      didYouMean(column.name, Object.keys(record)),
    );
  }
  if (value === null) {
    if (column.nullable) return null;
    throw new Failure(
      'NULL_VALUE',
      `column '${column.name}' is null`,
      `Declare it '${kindName({ ...column, nullable: true })}' to allow that.`,
    );
  }
  if (!column.list) return jsonScalar(column, value);
  if (!Array.isArray(value)) throw wrong(column, value);
  return value.map((element) => jsonScalar(column, element));
}

function convert(table: Table, record: unknown): JsonRow | undefined {
  if (typeof record !== 'object' || record === null || Array.isArray(record)) {
    throw new Failure('NOT_AN_OBJECT', `the record is ${describe(record)}, not an object`);
  }
  const meta = valuesWhere(table, (column) => {
    try {
      return member(column, record);
    } catch (error) {
      throw suggesting(error, column, typeOfJson(Reflect.get(record, column.name)));
    }
  });
  if (meta === undefined) return undefined;
  const value = member({ ...table.text, nullable: false }, record);
  return { text: value instanceof Uint8Array ? value : Buffer.from(`${value}`), meta };
}

/** Keeps integers beyond 2^53 as bigint, by the digits in the source text. */
function exactly(_key: string, value: unknown, context: { source?: string }): unknown {
  const inexact = typeof value === 'number' && !Number.isSafeInteger(value) && /^-?\d+$/.test(context.source ?? '');
  return inexact ? BigInt(context.source ?? '') : value;
}

/** Parses JSON whose integers beyond 2^53 become bigint. Throws SyntaxError. */
export const parseExactly = (source: string): unknown =>
  // TypeScript's library does not know the third argument of a reviver (ECMA-262, JSON.parse source text access).
  JSON.parse(source, exactly as (key: string, value: unknown) => unknown);

/**
 * Reads the JSON of a record as a row; undefined where the table's conditions pass over it.
 *
 * @throws Failure `INVALID_JSON`, `NOT_AN_OBJECT`, `MISSING_COLUMN`, `NULL_VALUE`, `WRONG_TYPE`, `OUT_OF_RANGE`,
 * `LONE_SURROGATE`.
 */
export function jsonRow(table: Table, source: string): JsonRow | undefined {
  let record: unknown;
  try {
    record = JSON.parse(source);
  } catch (error) {
    throw new Failure('INVALID_JSON', `the record is not JSON: ${error instanceof Error ? error.message : error}`);
  }
  try {
    return convert(table, record);
  } catch (error) {
    if (error !== INEXACT) throw error;
  }
  try {
    return convert(table, parseExactly(source));
  } catch (error) {
    if (error !== INEXACT) throw error;
    throw new Failure('OUT_OF_RANGE', 'an int64 column holds a number beyond 2^53 that is not written as an integer');
  }
}
