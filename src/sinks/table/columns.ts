import { isUtf8 } from 'node:buffer';
import type { SchemaElement } from 'hyparquet';
import { PipelineError } from '../../errors.ts';
import type { Document, DocumentHead } from '../../records.ts';
import { metaJson } from '../metaJson.ts';
import type { TypedColumn } from './typedColumns.ts';

/** A value as it is stored: text as its UTF-8 bytes, a list as the little-endian bytes of its numbers. */
export type Cell = Uint8Array | number | bigint | boolean | null;

export interface StoredColumn {
  /** Name, type, and whether it may be null, as the file's schema says it. */
  readonly element: SchemaElement;
  /** Type of the numbers in a column of lists. */
  readonly numbers?: 'FLOAT' | 'INT32';
  /** Written as it is, without looking whether values repeat. */
  readonly plain?: boolean;
  /** Without least and greatest value: nobody asks for them, or they would be whole documents. */
  readonly unbounded?: boolean;
}

export const TEXT = { type: 'BYTE_ARRAY', converted_type: 'UTF8', logical_type: { type: 'STRING' } } as const;
const JSON_TEXT = { type: 'BYTE_ARRAY', converted_type: 'JSON', logical_type: { type: 'JSON' } } as const;
const LIST = { converted_type: 'LIST', logical_type: { type: 'LIST' }, num_children: 1 } as const;
export const required = { repetition_type: 'REQUIRED' } as const;
export const nullable = { repetition_type: 'OPTIONAL' } as const;

export const metaColumn: StoredColumn = {
  element: { name: 'meta', ...JSON_TEXT, ...required },
  plain: true,
  unbounded: true,
};

/** Where a document lies in its source, in the order of `positionCells`. */
export const positionColumns: readonly StoredColumn[] = [
  { element: { name: 'ordinal', type: 'INT64', ...required }, plain: true },
  { element: { name: 'byte', type: 'INT64', ...nullable }, plain: true },
  { element: { name: 'line', type: 'INT64', ...nullable }, plain: true },
  { element: { name: 'row', type: 'INT64', ...nullable }, plain: true },
  { element: { name: 'member', ...TEXT, ...nullable }, plain: true },
  { element: { name: 'record_part', type: 'INT64', ...nullable } },
];

/** The columns that every file of documents has, in the order of `cellsOf`. */
export const documentColumns: readonly StoredColumn[] = [
  { element: { name: 'id', ...TEXT, ...required }, plain: true },
  { element: { name: 'record', ...TEXT, ...nullable } },
  { element: { name: 'uri', ...TEXT, ...required } },
  { element: { name: 'text', ...TEXT, ...nullable }, plain: true, unbounded: true },
  { element: { name: 'bytes', type: 'BYTE_ARRAY', ...nullable }, plain: true, unbounded: true },
  { element: { name: 'modality', ...TEXT, ...nullable } },
  ...positionColumns,
  metaColumn,
];

/** A column of lists of numbers. */
export function listColumn(name: string, numbers: 'FLOAT' | 'INT32'): StoredColumn {
  return { element: { name, ...LIST, ...required }, numbers, plain: true, unbounded: true };
}

/** A column as a schema lists it; a list has three levels: a group, its repeated group, the numbers in it. */
export function schemaOf({ element, numbers }: StoredColumn): SchemaElement[] {
  if (numbers === undefined) return [element];
  return [
    element,
    { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
    { name: 'element', type: numbers, ...required },
  ];
}

/** Sizes of pages are 32-bit in the format; the rest of the page needs little. */
const LARGEST = 2 ** 31 - 2 ** 16;

/**
 * A document as the cells of one row: those of `documentColumns`, then the typed ones.
 * @throws PipelineError `DOCUMENT_TOO_LARGE`, `COLUMN_TYPE`
 */
export function cellsOf(document: Document, typed: readonly TypedColumn[]): Cell[] {
  const { id, record, source, bytes, modality, meta } = document;
  if (bytes.length > LARGEST) {
    throw new PipelineError(
      `document '${id}' has ${bytes.length} bytes, and a Parquet file can hold ${LARGEST} in one`,
      {
        code: 'DOCUMENT_TOO_LARGE',
        path: source.uri,
        position: source.position,
        hint: "lower the source's limit on records, or write documents with jsonl()",
      },
    );
  }
  const isText = isUtf8(bytes);
  return [
    Buffer.from(id),
    textCell(record),
    Buffer.from(source.uri),
    isText ? bytes : null,
    isText ? null : bytes,
    textCell(modality),
    ...positionCells(document),
    Buffer.from(metaJson(meta)),
    ...typed.map((column) => column.cell(document)),
  ];
}

/** The cells of `positionColumns`. */
export function positionCells({ source }: Pick<DocumentHead, 'source'>): Cell[] {
  const { ordinal, byte, line, row, member, part } = source.position;
  return [BigInt(ordinal), whole(byte), whole(line), whole(row), textCell(member), whole(part)];
}

export function textCell(text: string | undefined): Cell {
  return text === undefined ? null : Buffer.from(text);
}

function whole(value: number | undefined): bigint | null {
  return value === undefined ? null : BigInt(value);
}
