import { partColumn } from '../../quantization/fieldTensors.ts';
import type { QuantizedFieldName } from '../../records.ts';
import { joined } from '../patchColumns.ts';
import { isLeftOut, type QuantizedColumn } from '../quantizedColumns.ts';
import { type Cell, required, type StoredColumn } from './columns.ts';

/** Columns of a field: its own where its float32 values are written, and one of bytes for each part where it is quantized. */
export function fieldColumns(
  quantized: readonly QuantizedColumn[],
  field: QuantizedFieldName,
  own: StoredColumn,
): StoredColumn[] {
  const parts = quantized.find((column) => column.field === field)?.quantizer.parts ?? [];
  return [
    ...(isLeftOut(quantized, field) ? [] : [own]),
    ...parts.map(({ name }): StoredColumn => {
      const element = { name: partColumn(own.element.name, name), type: 'BYTE_ARRAY', ...required } as const;
      return { element, plain: true, unbounded: true };
    }),
  ];
}

/** The cells of such columns for some rows of a document; `own` is that of the float32 values. */
export type CellsOf = (own: () => Cell, from: number, to: number) => Cell[];

/** Makes the cells of `fieldColumns`, of rows by their numbers. */
export function fieldCells(quantized: readonly QuantizedColumn[], field: QuantizedFieldName): CellsOf {
  const column = quantized.find((some) => some.field === field);
  if (column === undefined) return (own) => [own()];
  const { quantizer, keep, encoded } = column;
  const parts = encoded.map((list, i) => ({ bytes: joined(list), rowBytes: quantizer.parts[i]?.rowBytes ?? 0 }));
  return (own, from, to) => [
    ...(keep ? [own()] : []),
    ...parts.map(({ bytes, rowBytes }) => bytes.subarray(from * rowBytes, to * rowBytes)),
  ];
}
