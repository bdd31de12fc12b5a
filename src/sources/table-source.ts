import type { JsonValue } from '../json.ts';
import { type Columns, type RowDocument, type Table, tableJson } from './columns.ts';
import { type Format, fileSource } from './file-source.ts';
import type { Inputs, ListOptions } from './list.ts';
import type { Row } from './row-chunks.ts';
import type { Source } from './source.ts';

export interface TableSource {
  readonly kind: string;
  readonly table: Table;
  /** What decides the rows besides the table. */
  readonly options: { readonly [key: string]: JsonValue };
  readonly format: Format<Row>;
  /** Which files of a folder are read. */
  readonly isUsual: (uri: string) => boolean;
}

/**
 * A source of rows in files of one format.
 *
 * The caller's table was parsed from the declaration `C` and text column `T`, and the format checks every row against it:
 * that is what makes the type of the documents true.
 */
export function tableSource<C extends Columns, T extends string>(
  inputs: Inputs,
  list: ListOptions,
  { kind, table, options, format, isUsual }: TableSource,
): Source<RowDocument<C, T>> {
  const source = fileSource({
    kind,
    inputs,
    list,
    options: { ...tableJson(table), ...options },
    formats: [format],
    formatOf: (uri) => (isUsual(uri) ? format : undefined),
    otherwise: format,
  });
  return source as Source<RowDocument<C, T>>;
}
