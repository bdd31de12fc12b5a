import { isUtf8 } from 'node:buffer';
import type { MetaValue } from '../records.ts';
import { didYouMean } from '../suggest.ts';
import { type Column, kindName, type Table, valuesWhere } from './columns.ts';
import type { CsvDialect } from './csv-records.ts';
import { Failure } from './failure.ts';
import { suggesting, typeOfField } from './fitting-kind.ts';
import { type JsonRow, jsonScalar } from './json-row.ts';

const INTEGER = /^[+-]?\d{1,19}$/;
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const NOT_A_NUMBER = /^nan$/i;
const INFINITE = /^([+-]?)inf(inity)?$/i;
const TRUE = /^(true|1)$/i;
const FALSE = /^(false|0)$/i;

/** A doubled quote within quotes stands for one. */
function unquoted(field: Buffer, quote: number): Buffer {
  if (field.indexOf(quote) === -1) return field;
  const bytes = Buffer.allocUnsafe(field.length);
  let length = 0;
  for (let from = 0; from < field.length; ) {
    const mark = field.indexOf(quote, from);
    const end = mark === -1 ? field.length : mark + 1;
    length += field.copy(bytes, length, from, end);
    from = mark === -1 ? end : end + 1;
  }
  return bytes.subarray(0, length);
}

/** The fields of a record whose quotes are as they should be; some are views of it. */
export function csvFields(record: Uint8Array, { delimiter, quote }: CsvDialect): Buffer[] {
  const bytes = Buffer.from(record.buffer, record.byteOffset, record.byteLength);
  const fields: Buffer[] = [];
  for (let at = 0; at <= bytes.length; ) {
    if (quote !== undefined && bytes[at] === quote) {
      let end = bytes.indexOf(quote, at + 1);
      while (bytes[end + 1] === quote) end = bytes.indexOf(quote, end + 2);
      fields.push(unquoted(bytes.subarray(at + 1, end), quote));
      at = end + 2;
    } else {
      const found = bytes.indexOf(delimiter, at);
      const end = found === -1 ? bytes.length : found;
      fields.push(bytes.subarray(at, end));
      at = end + 1;
    }
  }
  return fields;
}

/** A header, matched against a table. */
export interface CsvHeader {
  readonly fields: number;
  /** Field of the text, and of every column of the table. */
  readonly text: number;
  readonly columns: readonly number[];
}

/**
 * @throws Failure `MISSING_COLUMN`, `DUPLICATE_COLUMN`, `WRONG_TYPE` (lists: a field holds one value)
 */
export function csvHeader(table: Table, names: readonly string[], file: string): CsvHeader {
  const place = ({ name, list, ...column }: Column): number => {
    const index = names.indexOf(name);
    if (index === -1) {
      throw new Failure('MISSING_COLUMN', `'${file}' has no column '${name}'`, didYouMean(name, names));
    }
    if (names.indexOf(name, index + 1) !== -1) {
      throw new Failure('DUPLICATE_COLUMN', `'${file}' has several columns '${name}'`);
    }
    if (list) {
      const declared = kindName({ list, ...column });
      throw new Failure(
        'WRONG_TYPE',
        `column '${name}' of '${file}' is declared ${declared}, and a field of a CSV file holds one value`,
        "Declare it 'string' and take it apart behind the source.",
      );
    }
    return index;
  };
  return { fields: names.length, text: place(table.text), columns: table.columns.map(place) };
}

function wrong(column: Column, text: string): Failure {
  const shown = text.length > 40 ? `${text.slice(0, 40)}...` : text;
  return new Failure(
    'WRONG_TYPE',
    `column '${column.name}' is declared ${kindName(column)} but the field is '${shown}'`,
  );
}

function double(column: Column, text: string): number {
  if (NUMBER.test(text)) return Number(text);
  if (NOT_A_NUMBER.test(text)) return Number.NaN;
  const sign = INFINITE.exec(text)?.[1];
  if (sign === undefined) throw wrong(column, text);
  return sign === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
}

function value(column: Column, field: Buffer): MetaValue {
  if (field.length === 0 && column.nullable) return null;
  const raw = field.toString('utf8');
  if (column.kind === 'string') return raw;
  const text = raw.trim();
  if (text.length === 0) {
    throw new Failure(
      'NULL_VALUE',
      `column '${column.name}' is empty`,
      `Declare it '${kindName({ ...column, nullable: true })}' to allow that.`,
    );
  }
  switch (column.kind) {
    case 'double':
      return double(column, text);
    case 'int32':
      if (!INTEGER.test(text)) throw wrong(column, text);
      return jsonScalar(column, Number(text));
    case 'int64':
      if (!INTEGER.test(text)) throw wrong(column, text);
      return jsonScalar(column, text.replace('+', ''));
    case 'bool':
      if (TRUE.test(text)) return true;
      if (FALSE.test(text)) return false;
      throw wrong(column, text);
    default:
      return jsonScalar(column, text);
  }
}

/**
 * Reads one record as a row; undefined where the table's conditions pass over it.
 *
 * @throws Failure `INVALID_UTF8`, `RAGGED_ROW`, `NULL_VALUE`, `WRONG_TYPE`, `OUT_OF_RANGE`
 */
export function csvRow(table: Table, header: CsvHeader, record: Uint8Array, dialect: CsvDialect): JsonRow | undefined {
  if (!isUtf8(record)) {
    throw new Failure('INVALID_UTF8', 'the record is not valid UTF-8', 'Convert the file to UTF-8 first.');
  }
  const fields = csvFields(record, dialect);
  if (fields.length !== header.fields) {
    throw new Failure('RAGGED_ROW', `the record has ${fields.length} fields, not ${header.fields}`);
  }
  const field = (place = -1): Buffer => fields[place] ?? Buffer.alloc(0);
  const meta = valuesWhere(table, (column, index) => {
    const own = field(header.columns[index]);
    try {
      return value(column, own);
    } catch (error) {
      throw suggesting(error, column, typeOfField(own.toString('utf8').trim()));
    }
  });
  if (meta === undefined) return undefined;
  const own = field(header.text);
  const text = table.text.kind === 'binary' ? jsonScalar(table.text, own.toString('utf8')) : undefined;
  // A copy: a view would keep the chunk that it was read in.
  return { text: text instanceof Uint8Array ? text : Buffer.from(own), meta };
}
