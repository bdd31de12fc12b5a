import { PipelineError } from '../errors.ts';
import type { JsonValue } from '../json.ts';
import type { MetaValue } from '../records.ts';
import { didYouMean } from '../suggest.ts';
import type { Column, Columns, Kind, ScalarKind } from './columns.ts';
import { timeOf } from './times.ts';

/** What a value of a kind is compared with. */
interface Literals {
  string: string;
  int32: number;
  int64: number | bigint;
  double: number;
  bool: boolean;
  /** A time, or its RFC 3339 text. */
  timestamp: Date | string;
}

/** Every comparison that is given must hold. */
export interface Comparison<V> {
  readonly eq?: V;
  readonly ne?: V;
  readonly in?: readonly V[];
  readonly notIn?: readonly V[];
  readonly lt?: V;
  readonly lte?: V;
  readonly gt?: V;
  readonly gte?: V;
  readonly isNull?: boolean;
}

type ScalarOf<K extends Kind> = K extends `${infer S}?` ? S : K;

/** What a column of a kind may be asked: a comparison, a value for `eq`, or null for `isNull`. */
type Condition<K extends Kind> =
  ScalarOf<K> extends keyof Literals
    ? Literals[ScalarOf<K>] | null | Comparison<Literals[ScalarOf<K>]>
    : null | { readonly isNull: boolean };

/**
 * The rows to keep: conditions on declared columns, all of which must hold, such as `{ lang: 'en', score: { gte: 3 } }`.
 *
 * Strings are ordered by their UTF-8 bytes, timestamps to the millisecond. A null fulfils `isNull: true` and nothing else, not
 * even `ne`; NaN fulfils `ne` and `notIn` alone. Lists, binary columns and files can be asked for null; the text column cannot
 * be asked.
 */
export type Where<C extends Columns, T extends string> = string extends keyof C
  ? { readonly [name: string]: null | Literals[keyof Literals] | Comparison<Literals[keyof Literals]> }
  : { readonly [K in Exclude<keyof C, T>]?: Condition<C[K]> };

type Literal = string | number | bigint | boolean;

/** What a file says about a run of stored values, already in the form that the column's kind has; text as UTF-8. */
export interface Bounds {
  readonly rows: number;
  readonly nulls?: number | undefined;
  /** No value is less (or greater); not necessarily values themselves. NaN may be there besides. */
  readonly least?: Literal | Uint8Array | undefined;
  readonly greatest?: Literal | Uint8Array | undefined;
}

/** Checked conditions on the values of a column: plain data, which other threads can be given. */
export interface Conditions {
  readonly isNull?: boolean | undefined;
  /** Each an operator and what it compares with: `eq` one of them, `ne` none. */
  readonly tests: readonly { readonly name: OperatorName; readonly operands: readonly Literal[] }[];
  /** Whether values may be NaN, which bounds leave out. */
  readonly floating: boolean;
}

/** Conditions on one column of a table. */
export interface ColumnTest {
  /** Position among the columns of the table. */
  readonly column: number;
  readonly conditions: Conditions;
  readonly json: JsonValue;
}

function wrong(name: string, message: string, hint?: string): PipelineError {
  return new PipelineError(`where: column '${name}' ${message}`, { code: 'BAD_WHERE', hint });
}

/** Order of code points, which is that of UTF-8 bytes; JavaScript's own is that of UTF-16 units. */
function compareText(a: string, b: string): number {
  const shorter = Math.min(a.length, b.length);
  for (let index = 0; index < shorter; index++) {
    let [left, right] = [a.charCodeAt(index), b.charCodeAt(index)];
    if (left === right) continue;
    // Halves of pairs stand for code points above all that a single unit can be.
    if (left >= 0xd800 && left <= 0xdfff) left += 0x10000;
    if (right >= 0xd800 && right <= 0xdfff) right += 0x10000;
    return left - right;
  }
  return a.length - b.length;
}

/** NaN where either is NaN, so that every comparison with zero fails. */
function compare(a: Literal, b: Literal): number {
  if (typeof a === 'string' && typeof b === 'string') return compareText(a, b);
  return a < b ? -1 : a > b ? 1 : a === b ? 0 : Number.NaN;
}

function compareBound(bound: Literal | Uint8Array, literal: Literal): number {
  return bound instanceof Uint8Array ? Buffer.compare(bound, Buffer.from(`${literal}`)) : compare(bound, literal);
}

const sets = new WeakMap<readonly Literal[], ReadonlySet<Literal>>();

function among(operands: readonly Literal[], value: Literal): boolean {
  let set = sets.get(operands);
  if (set === undefined) {
    set = new Set(operands);
    sets.set(operands, set);
  }
  return set.has(value);
}

interface Operator {
  /** Most have a single operand. */
  readonly passes: (value: Literal, operands: readonly Literal[]) => boolean;
  /** Whether some value may pass that lies between bounds, by their order against an operand. */
  readonly mayPass: (least: number, greatest: number) => boolean;
}

const ordered =
  (fits: (order: number) => boolean) =>
  (value: Literal, operands: readonly Literal[]): boolean =>
    operands.some((operand) => fits(compare(value, operand)));

const OPERATORS = {
  eq: { passes: (value, operands) => among(operands, value), mayPass: (least, most) => least <= 0 && most >= 0 },
  ne: { passes: (value, operands) => !among(operands, value), mayPass: (least, most) => least !== 0 || most !== 0 },
  lt: { passes: ordered((order) => order < 0), mayPass: (least) => least < 0 },
  lte: { passes: ordered((order) => order <= 0), mayPass: (least) => least <= 0 },
  gt: { passes: ordered((order) => order > 0), mayPass: (_least, most) => most > 0 },
  gte: { passes: ordered((order) => order >= 0), mayPass: (_least, most) => most >= 0 },
} as const satisfies { readonly [name: string]: Operator };

type OperatorName = keyof typeof OPERATORS;
const LISTS = { in: 'eq', notIn: 'ne' } as const;
const NAMES: readonly string[] = [...Object.keys(OPERATORS), ...Object.keys(LISTS), 'isNull'];

const isOperator = (name: string): name is OperatorName => Object.hasOwn(OPERATORS, name);
const isList = (name: string): name is keyof typeof LISTS => Object.hasOwn(LISTS, name);

const EXPECTED: { readonly [K in ScalarKind]?: string } = {
  string: 'text',
  int32: 'a number',
  int64: 'a whole number (above 2^53 a bigint)',
  double: 'a number',
  bool: 'true or false',
  timestamp: 'a Date or RFC 3339 text',
};

/** The operand in the form in which values of its column are compared: int64 as bigint, times as milliseconds. */
function literal({ name, kind }: Column, value: unknown): Literal {
  switch (kind) {
    case 'string':
      if (typeof value === 'string' && value.isWellFormed()) return value;
      break;
    case 'int32':
    case 'double':
      if (typeof value === 'number' && Number.isFinite(value)) return value;
      break;
    case 'int64':
      if (typeof value === 'bigint') return value;
      if (typeof value === 'number' && Number.isSafeInteger(value)) return BigInt(value);
      break;
    case 'bool':
      if (typeof value === 'boolean') return value;
      break;
    case 'timestamp': {
      const time = value instanceof Date ? value.getTime() : typeof value === 'string' ? timeOf(value) : Number.NaN;
      if (!Number.isNaN(time)) return time;
      break;
    }
    case 'binary':
    case 'file':
      break;
  }
  const shown = typeof value === 'string' ? `'${value}'` : String(value);
  throw wrong(name, `is ${kind} and cannot be compared with ${shown}`, `It takes ${EXPECTED[kind]}.`);
}

function comparable(value: Exclude<MetaValue, null>): Literal | undefined {
  if (value instanceof Date) return value.getTime();
  return typeof value === 'object' ? undefined : value;
}

function parseCondition(column: Column, condition: unknown): Omit<ColumnTest, 'column'> {
  const { name, kind, list } = column;
  const floating = kind === 'double';
  if (condition === null) return { conditions: { isNull: true, tests: [], floating }, json: { isNull: true } };
  const plain = typeof condition === 'object' && !(condition instanceof Date) && !Array.isArray(condition);
  const entries = plain
    ? Object.entries(condition ?? {}).filter(([, operand]) => operand !== undefined)
    : [['eq', condition] as const];
  if (entries.length === 0) throw wrong(name, 'has no condition');
  const json: Record<string, JsonValue> = {};
  const tests: { name: OperatorName; operands: Literal[] }[] = [];
  let isNull: boolean | undefined;
  const written = (value: Literal): JsonValue =>
    typeof value === 'bigint' ? `${value}` : kind === 'timestamp' ? new Date(Number(value)).toISOString() : value;
  for (const [operator, operand] of entries) {
    if (operator === 'isNull') {
      if (typeof operand !== 'boolean') throw wrong(name, 'has an isNull that is neither true nor false');
      isNull = operand;
      json['isNull'] = operand;
      continue;
    }
    if (list || kind === 'binary' || kind === 'file') {
      throw wrong(name, `is a ${list ? 'list' : `${kind} column`} and can only be asked for null`, 'Use isNull.');
    }
    if (isOperator(operator)) {
      const value = literal(column, operand);
      tests.push({ name: operator, operands: [value] });
      json[operator] = written(value);
    } else if (isList(operator)) {
      if (!Array.isArray(operand) || operand.length === 0)
        throw wrong(name, `has an '${operator}' that is no list of values`);
      const values = operand.map((value) => literal(column, value));
      tests.push({ name: LISTS[operator], operands: values });
      json[operator] = values.map(written);
    } else throw wrong(name, `has the unknown condition '${operator}'`, didYouMean(operator, NAMES));
  }
  if (isNull === true && tests.length > 0)
    throw wrong(name, 'is to be null and to be compared, which no value fulfils');
  return { conditions: { isNull, tests, floating }, json };
}

/** Whether a value, or null, fulfils conditions. */
export function passes({ isNull, tests }: Conditions, value: MetaValue): boolean {
  if (value === null) return isNull === true;
  if (isNull === true) return false;
  if (tests.length === 0) return true;
  const own = comparable(value);
  if (own === undefined) return false;
  return tests.every(({ name, operands }) => OPERATORS[name].passes(own, operands));
}

/** False where it is certain that no value within bounds fulfils conditions. */
export function mayPass({ isNull, tests, floating }: Conditions, { rows, nulls, least, greatest }: Bounds): boolean {
  if (isNull === true) return nulls !== 0;
  if (nulls === rows) return false;
  if (least === undefined || greatest === undefined || Number.isNaN(least) || Number.isNaN(greatest)) return true;
  return tests.every(({ name, operands }) => {
    // All values between two equal bounds are that value, but for NaN.
    if (name === 'ne' && floating) return true;
    const may = (operand: Literal): boolean =>
      OPERATORS[name].mayPass(compareBound(least, operand), compareBound(greatest, operand));
    return name === 'ne' ? operands.every(may) : operands.some(may);
  });
}

/**
 * Checks conditions against the declared columns.
 *
 * @throws PipelineError `UNKNOWN_COLUMN`, `BAD_WHERE`
 */
export function parseWhere(where: object, columns: readonly Column[], text: string): readonly ColumnTest[] {
  const names = columns.map(({ name }) => name);
  const tests: ColumnTest[] = [];
  for (const [name, condition] of Object.entries(where)) {
    if (condition === undefined) continue;
    if (name === text) {
      throw wrong(name, 'is the text, which cannot be asked', 'A filter behind the source can look at the documents.');
    }
    const index = names.indexOf(name);
    const column = columns[index];
    if (column === undefined) {
      throw new PipelineError(`where: '${name}' is not among the columns`, {
        code: 'UNKNOWN_COLUMN',
        hint: `Declare it in columns. ${didYouMean(name, names)}`,
      });
    }
    tests.push({ column: index, ...parseCondition(column, condition) });
  }
  return tests;
}
