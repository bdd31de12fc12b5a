import { float32From, int32From } from '../../formats/littleEndian.ts';
import { PARQUET_PATCHED_DOCUMENTS_FORMAT, PARQUET_PATCHES_FORMAT } from '../../formats/names.ts';
import { headMetaJson } from '../metaJson.ts';
import { joined } from '../patchColumns.ts';
import type { PatchDocument } from '../patchDocument.ts';
import {
  type Cell,
  listColumn,
  metaColumn,
  nullable,
  positionCells,
  positionColumns,
  required,
  TEXT,
  textCell,
} from './columns.ts';
import type { Table } from './tableWriter.ts';
import type { TypedColumn } from './typedColumns.ts';

interface PatchRow {
  /** Those of the table's columns, then the typed ones. */
  readonly cells: Cell[];
  readonly patches: number;
  readonly bytes: number;
}

/** A table of patches, and how a document becomes rows of it. */
export interface PatchTable extends Table {
  rowsOf(document: PatchDocument, typed: readonly TypedColumn[]): Iterable<PatchRow>;
}

const FLOAT = { type: 'FLOAT', ...required } as const;
const INT32 = { type: 'INT32', ...required } as const;
const INT64 = { type: 'INT64', ...required } as const;

/** One row a patch. */
export const patchTable: PatchTable = {
  format: PARQUET_PATCHES_FORMAT,
  rowBytes: 256,
  columns: [
    { element: { name: 'doc_id', ...TEXT, ...required } },
    { element: { name: 'record', ...TEXT, ...nullable } },
    { element: { name: 'uri', ...TEXT, ...required } },
    { element: { name: 'patch_index', ...INT64 }, plain: true },
    { element: { name: 'segment', ...INT32 } },
    { element: { name: 'modality', ...TEXT, ...required } },
    { element: { name: 'derived', ...TEXT, ...nullable } },
    { element: { name: 'offset', ...INT64 }, plain: true },
    { element: { name: 'bytes', type: 'BYTE_ARRAY', ...required }, plain: true, unbounded: true },
    { element: { name: 'prominence', ...FLOAT }, plain: true },
    { element: { name: 'entropy', ...FLOAT }, plain: true },
    { element: { name: 'coherence', ...FLOAT }, plain: true },
    listColumn('embedding', 'FLOAT'),
  ],
  *rowsOf(document, typed) {
    const { document: head, columns, segments, dim, patchesBefore } = document;
    const named = [Buffer.from(head.id), textCell(head.record), Buffer.from(head.source.uri)];
    const more = typed.map((column) => column.cell(head));
    const lengths = int32From(joined(columns.lengths));
    const signals = [columns.prominence, columns.entropy, columns.coherence].map((list) => float32From(joined(list)));
    const [bytes, embeddings] = [joined(columns.bytes), joined(columns.embeddings)];
    let patch = 0;
    let byte = 0;
    for (const { index, modality, derived, offset, patches } of segments) {
      const segment: Cell[] = [index, Buffer.from(modality), textCell(derived)];
      let at = offset;
      for (let i = 0; i < patches; i++, patch++) {
        const length = lengths[patch] ?? 0;
        const cells = [
          ...named,
          BigInt(patchesBefore + patch),
          ...segment,
          BigInt(at),
          bytes.subarray(byte, byte + length),
          ...signals.map((signal) => signal[patch] ?? 0),
          embeddings.subarray(4 * dim * patch, 4 * dim * (patch + 1)),
          ...more,
        ];
        yield { cells, patches: 1, bytes: length };
        at += length;
        byte += length;
      }
    }
  },
};

/** One row a document, or a part of one, with lists of what is known of its patches. */
export const patchedDocumentTable: PatchTable = {
  format: PARQUET_PATCHED_DOCUMENTS_FORMAT,
  rowBytes: 1024,
  columns: [
    { element: { name: 'id', ...TEXT, ...required }, plain: true },
    { element: { name: 'record', ...TEXT, ...nullable } },
    { element: { name: 'uri', ...TEXT, ...required } },
    { element: { name: 'part', ...INT32 } },
    { element: { name: 'complete', type: 'BOOLEAN', ...required } },
    { element: { name: 'modality', ...TEXT, ...required } },
    { element: { name: 'derived', ...TEXT, ...nullable } },
    { element: { name: 'num_patches', ...INT32 }, plain: true },
    { element: { name: 'total_bytes', ...INT64 }, plain: true },
    { element: { name: 'embed_dim', ...INT32 } },
    { element: { name: 'bytes', type: 'BYTE_ARRAY', ...required }, plain: true, unbounded: true },
    listColumn('patch_lengths', 'INT32'),
    listColumn('prominence', 'FLOAT'),
    listColumn('patch_entropies', 'FLOAT'),
    listColumn('coherence', 'FLOAT'),
    listColumn('embeddings', 'FLOAT'),
    ...positionColumns,
    metaColumn,
  ],
  *rowsOf(document, typed) {
    const { document: head, columns, part, complete, modality, derived, patches, bytes, dim } = document;
    const cells = [
      Buffer.from(head.id),
      textCell(head.record),
      Buffer.from(head.source.uri),
      part,
      complete,
      Buffer.from(modality),
      textCell(derived.length === 0 ? undefined : derived.join(', ')),
      patches,
      BigInt(bytes),
      dim,
      joined(columns.bytes),
      joined(columns.lengths),
      joined(columns.prominence),
      joined(columns.entropy),
      joined(columns.coherence),
      joined(columns.embeddings),
      ...positionCells(head),
      Buffer.from(headMetaJson(head)),
      ...typed.map((column) => column.cell(head)),
    ];
    yield { cells, patches, bytes };
  },
};
