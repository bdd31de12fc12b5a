import type { QuantizedColumn } from '../quantizedColumns.ts';
import type { StoredColumn } from '../table/columns.ts';
import { documentColumns, metaColumn, positionColumns, required } from '../table/columns.ts';
import { patchColumns, patchedDocumentColumns } from '../table/patchRows.ts';

/** A table with a number for each row, from 0, and columns that are those of a Parquet file. */
export interface TableSpec {
  readonly name: 'documents' | 'patches';
  /** Column of the row's number. */
  readonly key: 'document' | 'patch';
  readonly columns: readonly StoredColumn[];
  readonly index: string;
}

/** The tables of a database of documents. */
export function documentTables(typed: readonly StoredColumn[]): TableSpec[] {
  return [documentsTable([...documentColumns, ...typed])];
}

/** The tables of a database of patches; `patches.document` is the number of a row of `documents`. */
export function patchTables(typed: readonly StoredColumn[], quantized: readonly QuantizedColumn[] = []): TableSpec[] {
  return [
    documentsTable([...patchedDocumentColumns, ...positionColumns, metaColumn, ...typed]),
    {
      name: 'patches',
      key: 'patch',
      columns: [{ element: { name: 'document', type: 'INT64', ...required } }, ...patchColumns(quantized)],
      index: 'CREATE INDEX patches_document ON patches(document);',
    },
  ];
}

function documentsTable(columns: readonly StoredColumn[]): TableSpec {
  return { name: 'documents', key: 'document', columns, index: 'CREATE INDEX documents_id ON documents(id);' };
}

/** What makes the tables of a database, and says of them what they are. */
export function createStatements(tables: readonly TableSpec[]): string {
  const statements = tables.map(({ name, key, columns }) => {
    const lines = [`${key} INTEGER PRIMARY KEY`, ...columns.map(columnText)];
    return `CREATE TABLE ${name}(${lines.join(', ')});`;
  });
  return ['CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL);', ...statements].join('\n');
}

function columnText(column: StoredColumn): string {
  const { name, type, repetition_type: repetition } = column.element;
  // SQLite has no NaN, and keeps null in its place
  const always = repetition === 'REQUIRED' && type !== 'DOUBLE';
  return `${quoted(name)} ${typeOf(column)}${always ? ' NOT NULL' : ''}`;
}

export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** Whether a column holds text; bytes otherwise, or numbers. */
export function isTextColumn({ element }: StoredColumn): boolean {
  return element.converted_type === 'UTF8' || element.converted_type === 'JSON';
}

function typeOf(column: StoredColumn): string {
  const { type } = column.element;
  if (isTextColumn(column)) return 'TEXT';
  if (column.numbers !== undefined || type === 'BYTE_ARRAY') return 'BLOB';
  return type === 'FLOAT' || type === 'DOUBLE' ? 'REAL' : 'INTEGER';
}
