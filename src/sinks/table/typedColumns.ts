import type { SchemaElement } from 'hyparquet';
import { PipelineError } from '../../errors.ts';
import type { DocumentHead, MetaValue } from '../../records.ts';
import { type Column, kindName, parseTable, type ScalarKind } from '../../sources/columns.ts';
import type { Cell, StoredColumn } from './columns.ts';

/**
 * Members of `meta` to write as columns of their own, with kinds as the `parquet` source has them; `?` where a document may
 * lack the member or hold null, such as `{ lang: 'string', score: 'double?' }`.
 */
export type TypedColumns = { readonly [name: string]: TypedKind | `${TypedKind}?` };

type TypedKind = Exclude<ScalarKind, 'file'>;

/** What a typed column needs of a document, whether its bytes are still there or not. */
type Described = Pick<DocumentHead, 'id' | 'source' | 'meta'>;

export interface TypedColumn extends StoredColumn {
  /** @throws PipelineError `COLUMN_TYPE` */
  cell(document: Described): Cell;
}

interface Storage {
  readonly element: Omit<SchemaElement, 'name'>;
  /** The stored value; undefined where the value is of another type. */
  stored(value: MetaValue): Cell | undefined;
}

const storages: Readonly<Record<TypedKind, Storage>> = {
  string: {
    element: { type: 'BYTE_ARRAY', converted_type: 'UTF8', logical_type: { type: 'STRING' } },
    stored: (value) => (typeof value === 'string' ? Buffer.from(value) : undefined),
  },
  binary: {
    element: { type: 'BYTE_ARRAY' },
    stored: (value) => (value instanceof Uint8Array ? value : undefined),
  },
  bool: {
    element: { type: 'BOOLEAN' },
    stored: (value) => (typeof value === 'boolean' ? value : undefined),
  },
  double: {
    element: { type: 'DOUBLE' },
    stored: (value) => (typeof value === 'number' ? value : undefined),
  },
  int32: {
    element: { type: 'INT32' },
    stored: (value) => {
      const whole = integer(value, 32);
      return whole === undefined ? undefined : Number(whole);
    },
  },
  int64: {
    element: { type: 'INT64' },
    stored: (value) => integer(value, 64),
  },
  timestamp: {
    element: {
      type: 'INT64',
      converted_type: 'TIMESTAMP_MILLIS',
      logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'MILLIS' },
    },
    stored: (value) => {
      const time = value instanceof Date ? value.getTime() : Number.NaN;
      return Number.isNaN(time) ? undefined : BigInt(time);
    },
  },
};

function integer(value: MetaValue, bits: number): bigint | undefined {
  if (typeof value !== 'bigint' && !Number.isSafeInteger(value)) return undefined;
  const whole = BigInt(value as bigint | number);
  return BigInt.asIntN(bits, whole) === whole ? whole : undefined;
}

/**
 * Checks a declaration of typed columns.
 * @throws PipelineError `RESERVED_COLUMN`, `UNKNOWN_KIND`, `UNKNOWN_COLUMN` (`__proto__`)
 */
export function typedColumns(declared: TypedColumns, taken: readonly StoredColumn[]): TypedColumn[] {
  const names = new Set(taken.map(({ element }) => element.name));
  for (const name of Object.keys(declared)) {
    // Many readers take column names without regard to case.
    if (name !== '' && !names.has(name.toLowerCase())) continue;
    throw new PipelineError(`a typed column cannot be called '${name}'`, {
      code: 'RESERVED_COLUMN',
      hint: `every file has columns ${[...names].join(', ')}; meta holds all of a document's metadata, declared or not`,
    });
  }
  return parseTable({ columns: declared }).columns.map(typedColumn);
}

/** Typed columns as files have them, and as they can go to another thread: what makes their cells stays here. */
export function storedColumns(typed: readonly TypedColumn[]): StoredColumn[] {
  return typed.map(({ element }) => ({ element }));
}

function typedColumn(column: Column): TypedColumn {
  const { name, kind, list } = column;
  if (list || kind === 'file') {
    throw new PipelineError(`column '${name}' is declared '${kindName(column)}'`, {
      code: 'UNKNOWN_KIND',
      hint: 'lists and files are written in meta alone',
    });
  }
  const { element, stored } = storages[kind];
  return {
    element: { name, ...element, repetition_type: column.nullable ? 'OPTIONAL' : 'REQUIRED' },
    cell(document) {
      const value = Object.hasOwn(document.meta, name) ? document.meta[name] : undefined;
      if (value === undefined || value === null) {
        if (column.nullable) return null;
        const allowing = kindName({ ...column, nullable: true });
        throw unfit(document, column, 'is null or absent', `declare it '${allowing}' to allow that`);
      }
      const cell = stored(value);
      if (cell !== undefined) return cell;
      throw unfit(document, column, `is ${told(value)}`, 'declare the type it has, or leave it to the column meta');
    },
  };
}

function unfit({ id, source }: Described, column: Column, what: string, hint: string): PipelineError {
  return new PipelineError(`meta.${column.name} of document '${id}' ${what}, and is declared ${kindName(column)}`, {
    code: 'COLUMN_TYPE',
    path: source.uri,
    position: source.position,
    hint,
  });
}

const SHOWN = 40;

function told(value: NonNullable<MetaValue>): string {
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'no valid date' : `the date ${value.toISOString()}`;
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'an object';
  return `the ${typeof value} ${String(value).slice(0, SHOWN)}`;
}
