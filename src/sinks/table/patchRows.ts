import { float32From, int32From } from '../../formats/littleEndian.ts';
import { rowColumn } from '../../quantization/fieldTensors.ts';
import { joined } from '../patchColumns.ts';
import type { PatchDocument } from '../patchDocument.ts';
import type { QuantizedColumn } from '../quantizedColumns.ts';
import { type Cell, listColumn, nullable, required, type StoredColumn, TEXT, textCell } from './columns.ts';
import { fieldCells, fieldColumns } from './quantizedCells.ts';

const FLOAT = { type: 'FLOAT', ...required } as const;
const INT32 = { type: 'INT32', ...required } as const;
const INT64 = { type: 'INT64', ...required } as const;

/** What a row of a patch says, in the order of the cells of `patchRows`. */
export const patchColumns = (quantized: readonly QuantizedColumn[]): StoredColumn[] => [
  { element: { name: 'patch_index', ...INT64 }, plain: true },
  { element: { name: 'segment', ...INT32 } },
  { element: { name: 'modality', ...TEXT, ...required } },
  { element: { name: 'derived', ...TEXT, ...nullable } },
  { element: { name: 'offset', ...INT64 }, plain: true },
  { element: { name: 'bytes', type: 'BYTE_ARRAY', ...required }, plain: true, unbounded: true },
  ...fieldColumns(quantized, 'prominence', { element: { name: rowColumn('prominence'), ...FLOAT }, plain: true }),
  ...fieldColumns(quantized, 'entropy', { element: { name: rowColumn('entropy'), ...FLOAT }, plain: true }),
  { element: { name: 'coherence', ...FLOAT }, plain: true },
  ...fieldColumns(quantized, 'embeddings', listColumn(rowColumn('embeddings'), 'FLOAT')),
];

/** The patches of a document, or of a part of one, as the cells of `patchColumns`, and how many bytes each has. */
export function* patchRows({
  columns,
  segments,
  dim,
  patchesBefore,
}: PatchDocument): Generator<{ readonly cells: Cell[]; readonly bytes: number }, void, undefined> {
  const lengths = int32From(joined(columns.lengths));
  const floats = (name: 'prominence' | 'entropy' | 'coherence') => float32From(joined(columns[name]));
  const [prominence, entropy, coherence] = [floats('prominence'), floats('entropy'), floats('coherence')];
  const [bytes, embeddings] = [joined(columns.bytes), joined(columns.embeddings)];
  const prominenceCells = fieldCells(columns.quantized, 'prominence');
  const entropyCells = fieldCells(columns.quantized, 'entropy');
  const embeddingCells = fieldCells(columns.quantized, 'embeddings');
  let patch = 0;
  let byte = 0;
  for (const { index, modality, derived, offset, patches } of segments) {
    const segment: Cell[] = [index, Buffer.from(modality), textCell(derived)];
    let at = offset;
    for (let i = 0; i < patches; i++, patch++) {
      const length = lengths[patch] ?? 0;
      const cells = [
        BigInt(patchesBefore + patch),
        ...segment,
        BigInt(at),
        bytes.subarray(byte, byte + length),
        ...prominenceCells(() => prominence[patch] ?? 0, patch, patch + 1),
        ...entropyCells(() => entropy[patch] ?? 0, patch, patch + 1),
        coherence[patch] ?? 0,
        ...embeddingCells(() => embeddings.subarray(4 * dim * patch, 4 * dim * (patch + 1)), patch, patch + 1),
      ];
      yield { cells, bytes: length };
      at += length;
      byte += length;
    }
  }
}

/** What a row of a document says of it beside its patches, in the order of `patchedDocumentCells`. */
export const patchedDocumentColumns: readonly StoredColumn[] = [
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
];

/** What is said of a document beside its patches. */
export type PatchedDocument = Omit<PatchDocument, 'columns' | 'segments' | 'patchesBefore' | 'bytesBefore'>;

export function patchedDocumentCells(document: PatchedDocument): Cell[] {
  const { document: head, part, complete, modality, derived, patches, bytes, dim } = document;
  return [
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
  ];
}
