import { PipelineError } from '../errors.ts';
import type { JsonValue } from '../json.ts';
import type { OptionNames } from '../knownOptions.ts';
import type { Document, FileRef, Meta, MetaValue } from '../records.ts';
import { didYouMean } from '../suggest.ts';
import { type ColumnTest, parseWhere, passes, type Where } from './where.ts';

/** What a value of each kind is in JavaScript. */
interface Scalars {
  string: string;
  /** -2^31 .. 2^31-1. */
  int32: number;
  /** -2^63 .. 2^63-1 (unsigned columns up to 2^64-1), always exact. */
  int64: bigint;
  double: number;
  bool: boolean;
  /** In JSON: base64. */
  binary: Uint8Array;
  /** Milliseconds; in JSON RFC 3339 text. Finer units are cut: ask for `int64` to keep them. */
  timestamp: Date;
  /**
   * A file, or where it lies: a struct of `bytes` (binary, in JSON base64) and `path`, a path or URL by itself, or in
   * Parquet the bytes by themselves. In structs `url` stands in for a `path` that is null or absent. `attach` fetches it.
   */
  file: FileRef;
}

export type ScalarKind = keyof Scalars;

/** Kinds of columns: a scalar, `list<scalar>`, and either with `?` where null (or absence, in JSON) is allowed. */
export type Kinds = {
  readonly [K in ScalarKind]: Scalars[K];
} & {
  readonly [K in ScalarKind as `${K}?`]: Scalars[K] | null;
} & {
  readonly [K in ScalarKind as `list<${K}>`]: readonly Scalars[K][];
} & {
  readonly [K in ScalarKind as `list<${K}>?`]: readonly Scalars[K][] | null;
};

export type Kind = keyof Kinds;

/** Names and kinds of the columns to read, such as `{ id: 'string', score: 'double?' }`. */
export type Columns = { readonly [name: string]: Kind };

/** The row type that a declaration of columns gives. */
export type Row<C extends Columns> = { readonly [K in keyof C]: Kinds[C[K]] };

/** A row of a table as a document: the text column is its bytes, the other columns are its `meta`. */
export type RowDocument<C extends Columns, T extends string> = Document<{
  readonly [K in Exclude<keyof C, T>]: Kinds[C[K]];
}>;

export interface TableOptions<C extends Columns, T extends string> {
  /**
   * Columns to read besides the text, with their kinds; a record that does not fit is rejected.
   * Default: the text column alone.
   */
  readonly columns?: C | undefined;
  /** The column whose UTF-8 bytes (or bytes, if it is binary) become the document. Default: `text`. */
  readonly text?: T | undefined;
  /**
   * The column (text or integer) that names documents; where columns are declared, one of them. Default: `id` if it is
   * declared, else documents are named `<uri>#<row or byte>`.
   */
  readonly id?: ([keyof C] extends [never] ? string : Extract<keyof C, string>) | undefined;
  /**
   * Conditions on declared columns that a row must fulfil to become a document; others are passed over, are no rejects and
   * are counted as `filtered`. Default: all rows are read.
   */
  readonly where?: Where<NoInfer<C>, NoInfer<T>> | undefined;
}

export const TABLE_OPTIONS = {
  columns: true,
  text: true,
  id: true,
  where: true,
} as const satisfies OptionNames<TableOptions<Columns, string>>;

export interface Column {
  readonly name: string;
  readonly kind: ScalarKind;
  readonly list: boolean;
  readonly nullable: boolean;
  /** Kinds that do as well, where nobody declared the column. */
  readonly or?: ScalarKind | undefined;
}

/** A checked declaration. `columns` leaves the text column out. */
export interface Table {
  readonly text: Column;
  readonly id: string | undefined;
  readonly columns: readonly Column[];
  /** What a row must pass, by column. */
  readonly where: readonly ColumnTest[];
}

const SCALARS: readonly ScalarKind[] = ['string', 'int32', 'int64', 'double', 'bool', 'binary', 'timestamp', 'file'];

function parseKind(name: string, kind: string): Column {
  const nullable = kind.endsWith('?');
  const base = nullable ? kind.slice(0, -1) : kind;
  const inner = /^list<(.*)>$/.exec(base)?.[1];
  const scalar = SCALARS.find((candidate) => candidate === (inner ?? base));
  if (scalar === undefined) {
    throw new PipelineError(`column '${name}' has the unknown kind '${kind}'`, {
      code: 'UNKNOWN_KIND',
      hint: /^int(eger)?$/i.test(inner ?? base)
        ? "Did you mean 'int32' or 'int64'?"
        : didYouMean(inner ?? base, SCALARS),
    });
  }
  return { name, kind: scalar, list: inner !== undefined, nullable };
}

/**
 * Checks a declaration of columns.
 *
 * @throws PipelineError `UNKNOWN_KIND`, `UNKNOWN_COLUMN` (text, id or where names no declared column), `TEXT_KIND`,
 * `BAD_WHERE`.
 */
export function parseTable<C extends Columns, T extends string>(options: TableOptions<C, T>): Table {
  const declared = new Map<string, Column>();
  for (const [name, kind] of Object.entries(options.columns ?? {})) declared.set(name, parseKind(name, kind));
  // Assigning to this name would change a row's prototype instead of adding a member.
  if (declared.has('__proto__')) {
    throw new PipelineError("a column cannot be called '__proto__'", { code: 'UNKNOWN_COLUMN' });
  }
  const names = [...declared.keys()];
  const textName: string = options.text ?? 'text';
  const text = declared.get(textName);
  if (text === undefined && options.text !== undefined && names.length !== 0) {
    throw new PipelineError(`the text column '${textName}' is not among the columns`, {
      code: 'UNKNOWN_COLUMN',
      hint: didYouMean(textName, names),
    });
  }
  if (text !== undefined && (text.list || (text.kind !== 'string' && text.kind !== 'binary'))) {
    throw new PipelineError(`the text column '${textName}' must be 'string' or 'binary'`, { code: 'TEXT_KIND' });
  }
  const id = options.id ?? (declared.has('id') ? 'id' : undefined);
  const columns = [...declared.values()].filter((column) => column.name !== textName);
  const where = parseWhere(options.where ?? {}, columns, textName);
  if (id !== undefined && !declared.has(id)) {
    if (names.length > 0) {
      throw new PipelineError(`the id column '${id}' is not among the columns`, {
        code: 'UNKNOWN_COLUMN',
        hint: didYouMean(id, names),
      });
    }
    columns.push({ name: id, kind: 'string', or: 'int64', list: false, nullable: false });
  }
  return {
    text: text ?? { name: textName, kind: 'string', or: 'binary', list: false, nullable: false },
    id,
    columns,
    where,
  };
}

/** Kind as it is written in a declaration. */
export function kindName({ kind, or, list, nullable }: Omit<Column, 'name'>): string {
  return (list ? `list<${kind}>` : or === undefined ? kind : `${kind} or ${or}`) + (nullable ? '?' : '');
}

/** The part of a source's options that says what its table is. */
export function tableJson(table: Table): { readonly [key: string]: JsonValue } {
  return {
    text: table.text.name,
    textKind: kindName(table.text),
    id: table.id ?? null,
    columns: Object.fromEntries(table.columns.map((column) => [column.name, kindName(column)])),
    ...(table.where.length === 0 ? {} : { where: whereJson(table) }),
  };
}

function whereJson({ where, columns }: Table): JsonValue {
  return Object.fromEntries(where.map(({ column, json }) => [columns[column]?.name ?? '', json]));
}

const NONE = new Map<number, MetaValue>();

/**
 * The values of a row's columns, those that conditions ask for first; undefined as soon as one does not hold.
 *
 * @param read Makes the value of a column; what it throws about a column that is not looked at any more stays unsaid.
 */
export function valuesWhere(
  table: Table,
  read: (column: Column, index: number) => MetaValue,
): { readonly [name: string]: MetaValue } | undefined {
  const known = table.where.length === 0 ? NONE : new Map<number, MetaValue>();
  for (const { column: index, conditions } of table.where) {
    const column = table.columns[index];
    if (column === undefined) continue;
    const value = read(column, index);
    if (!passes(conditions, value)) return undefined;
    known.set(index, value);
  }
  const values: Record<string, MetaValue> = {};
  for (const [index, column] of table.columns.entries()) {
    values[column.name] = known.has(index) ? (known.get(index) ?? null) : read(column, index);
  }
  return values;
}

/** Name of a row's document: the value of its id column, or where it lies. */
export function documentId({ id }: Table, meta: Meta, uri: string, place: number): string {
  const value = id === undefined ? undefined : meta[id];
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint'
    ? `${value}`
    : `${uri}#${place}`;
}
