import { PARQUET_PATCHED_DOCUMENTS_FORMAT, PARQUET_PATCHES_FORMAT } from '../../formats/names.ts';
import { fieldTensor } from '../../quantization/fieldTensors.ts';
import { headMetaJson } from '../metaJson.ts';
import { joined } from '../patchColumns.ts';
import type { PatchDocument } from '../patchDocument.ts';
import type { QuantizedColumn } from '../quantizedColumns.ts';
import {
  type Cell,
  listColumn,
  metaColumn,
  nullable,
  positionCells,
  positionColumns,
  required,
  type StoredColumn,
  TEXT,
  textCell,
} from '../table/columns.ts';
import { patchColumns, patchedDocumentCells, patchedDocumentColumns, patchRows } from '../table/patchRows.ts';
import { fieldCells, fieldColumns } from '../table/quantizedCells.ts';
import type { TypedColumn } from '../table/typedColumns.ts';
import type { Table } from './tableWriter.ts';

interface PatchRow {
  /** Those of the table's columns, then the typed ones. */
  readonly cells: Cell[];
  readonly patches: number;
  readonly bytes: number;
}

/** A table of patches, and how a document becomes rows of it. */
export interface PatchTable extends Pick<Table, 'format' | 'rowBytes'> {
  /** Columns for patches of which this is quantized. */
  columns(quantized: readonly QuantizedColumn[]): StoredColumn[];
  rowsOf(document: PatchDocument, typed: readonly TypedColumn[]): Iterable<PatchRow>;
}

/** One row a patch. */
export const patchTable: PatchTable = {
  format: PARQUET_PATCHES_FORMAT,
  rowBytes: 384,
  columns: (quantized) => [
    { element: { name: 'doc_id', ...TEXT, ...required } },
    { element: { name: 'record', ...TEXT, ...nullable } },
    { element: { name: 'uri', ...TEXT, ...required } },
    ...patchColumns(quantized),
  ],
  *rowsOf(document, typed) {
    const { document: head } = document;
    const named = [Buffer.from(head.id), textCell(head.record), Buffer.from(head.source.uri)];
    const more = typed.map((column) => column.cell(head));
    for (const { cells, bytes } of patchRows(document))
      yield { cells: [...named, ...cells, ...more], patches: 1, bytes };
  },
};

/** One row a document, or a part of one, with lists of what is known of its patches. */
export const patchedDocumentTable: PatchTable = {
  format: PARQUET_PATCHED_DOCUMENTS_FORMAT,
  rowBytes: 1024,
  columns: (quantized) => [
    ...patchedDocumentColumns,
    { element: { name: 'bytes', type: 'BYTE_ARRAY', ...required }, plain: true, unbounded: true },
    listColumn('patch_lengths', 'INT32'),
    ...fieldColumns(quantized, 'prominence', listColumn(fieldTensor('prominence'), 'FLOAT')),
    ...fieldColumns(quantized, 'entropy', listColumn(fieldTensor('entropy'), 'FLOAT')),
    listColumn('coherence', 'FLOAT'),
    ...fieldColumns(quantized, 'embeddings', listColumn(fieldTensor('embeddings'), 'FLOAT')),
    ...positionColumns,
    metaColumn,
  ],
  *rowsOf(document, typed) {
    const { document: head, columns, patches, bytes } = document;
    const field = (name: 'prominence' | 'entropy' | 'embeddings'): Cell[] =>
      fieldCells(columns.quantized, name)(() => joined(columns[name]), 0, patches);
    const cells = [
      ...patchedDocumentCells(document),
      joined(columns.bytes),
      joined(columns.lengths),
      ...field('prominence'),
      ...field('entropy'),
      joined(columns.coherence),
      ...field('embeddings'),
      ...positionCells(head),
      Buffer.from(headMetaJson(head)),
      ...typed.map((column) => column.cell(head)),
    ];
    yield { cells, patches, bytes };
  },
};
