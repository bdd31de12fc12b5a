import { isUtf8 } from 'node:buffer';
import type { SchemaElement } from 'hyparquet';
import { PipelineError } from '../../errors.ts';
import type { Document } from '../../records.ts';
import { metaJson } from '../metaJson.ts';
import type { TypedColumn } from './typedColumns.ts';

/** A value as it is stored; text is its UTF-8 bytes. */
export type Cell = Uint8Array | number | bigint | boolean | null;

export interface StoredColumn {
  /** Name, type, and whether it may be null, as the file's schema says it. */
  readonly element: SchemaElement;
  /** Written as it is, without looking whether values repeat. */
  readonly plain?: boolean;
  /** Without least and greatest value: nobody asks for them, and they would be whole documents. */
  readonly unbounded?: boolean;
}

const TEXT = { type: 'BYTE_ARRAY', converted_type: 'UTF8', logical_type: { type: 'STRING' } } as const;
const JSON_TEXT = { type: 'BYTE_ARRAY', converted_type: 'JSON', logical_type: { type: 'JSON' } } as const;
const required = { repetition_type: 'REQUIRED' } as const;
const nullable = { repetition_type: 'OPTIONAL' } as const;

/** The columns that every file has, in the order of `cellsOf`. */
export const documentColumns: readonly StoredColumn[] = [
  { element: { name: 'id', ...TEXT, ...required }, plain: true },
  { element: { name: 'uri', ...TEXT, ...required } },
  { element: { name: 'text', ...TEXT, ...nullable }, plain: true, unbounded: true },
  { element: { name: 'bytes', type: 'BYTE_ARRAY', ...nullable }, plain: true, unbounded: true },
  { element: { name: 'modality', ...TEXT, ...nullable } },
  { element: { name: 'ordinal', type: 'INT64', ...required }, plain: true },
  { element: { name: 'byte', type: 'INT64', ...nullable }, plain: true },
  { element: { name: 'line', type: 'INT64', ...nullable }, plain: true },
  { element: { name: 'row', type: 'INT64', ...nullable }, plain: true },
  { element: { name: 'member', ...TEXT, ...nullable }, plain: true },
  { element: { name: 'record_part', type: 'INT64', ...nullable } },
  { element: { name: 'meta', ...JSON_TEXT, ...required }, plain: true, unbounded: true },
];

/** Sizes of pages are 32-bit in the format; the rest of the page needs little. */
const LARGEST = 2 ** 31 - 2 ** 16;

/**
 * A document as the cells of one row: those of `documentColumns`, then the typed ones.
 * @throws PipelineError `DOCUMENT_TOO_LARGE`, `COLUMN_TYPE`
 */
export function cellsOf(document: Document, typed: readonly TypedColumn[]): Cell[] {
  const { id, source, bytes, modality, meta } = document;
  const { ordinal, byte, line, row, member, part } = source.position;
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
    Buffer.from(source.uri),
    isText ? bytes : null,
    isText ? null : bytes,
    modality === undefined ? null : Buffer.from(modality),
    BigInt(ordinal),
    whole(byte),
    whole(line),
    whole(row),
    member === undefined ? null : Buffer.from(member),
    whole(part),
    Buffer.from(metaJson(meta)),
    ...typed.map((column) => column.cell(document)),
  ];
}

function whole(value: number | undefined): bigint | null {
  return value === undefined ? null : BigInt(value);
}
