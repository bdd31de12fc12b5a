import { type Column, kindName, type ScalarKind } from './columns.ts';
import { Failure } from './failure.ts';
import { timeOf } from './times.ts';

const INT32 = 2n ** 31n;
const INT64 = 2n ** 63n;

const ofInteger = (value: bigint): ScalarKind | undefined => {
  if (value >= -INT32 && value < INT32) return 'int32';
  return value >= -INT64 && value < INT64 ? 'int64' : undefined;
};

type Type = Pick<Column, 'kind' | 'list'>;

/** What a failure to read a value as its column is declared says besides, where another declaration takes it. */
export function suggesting(error: unknown, column: Column, type: Type | undefined): unknown {
  if (!(error instanceof Failure) || error.hint !== undefined || type === undefined) return error;
  const { code, message, cause } = error;
  const { kind, or, list, nullable } = column;
  // an undeclared name is declared with all columns or not at all
  if ((code !== 'WRONG_TYPE' && code !== 'OUT_OF_RANGE') || or !== undefined) return error;
  if (type.kind === kind && type.list === list) return error;
  return new Failure(code, message, `Declared '${kindName({ ...type, nullable })}', it can be read.`, cause);
}

/** The narrowest type that takes a field of a table without types. */
export function typeOfField(text: string): Type {
  return { kind: kindOfField(text), list: false };
}

function kindOfField(text: string): ScalarKind {
  if (/^[+-]?\d{1,19}$/.test(text)) return ofInteger(BigInt(text.replace('+', ''))) ?? 'double';
  if (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) return 'double';
  if (/^(true|false)$/i.test(text)) return 'bool';
  return Number.isNaN(timeOf(text)) ? 'string' : 'timestamp';
}

/** The narrowest type that takes a value of JSON; undefined where none does, and for lists of several kinds. */
export function typeOfJson(value: unknown): Type | undefined {
  const list = Array.isArray(value);
  const [kind, ...others] = new Set(list ? value.map(kindOfJson) : [kindOfJson(value)]);
  return kind === undefined || others.length > 0 ? undefined : { kind, list };
}

function kindOfJson(value: unknown): ScalarKind | undefined {
  switch (typeof value) {
    case 'boolean':
      return 'bool';
    case 'bigint':
      return ofInteger(value) ?? 'double';
    case 'number':
      return (Number.isInteger(value) ? ofInteger(BigInt(value)) : undefined) ?? 'double';
    case 'string':
      return Number.isNaN(timeOf(value)) ? 'string' : 'timestamp';
    default:
      return undefined;
  }
}
