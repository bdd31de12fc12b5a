import { RecordError } from '../../errors.ts';
import type { Document, Meta, MetaValue } from '../../records.ts';
import { type Cell, cellsOf, own, referenceName, withoutBytes } from '../../references/cells.ts';
import type { Located } from '../../references/located.ts';
import { shownReference } from '../../references/reference.ts';
import type { References } from '../../references/references.ts';
import { Failure } from '../../sources/failure.ts';
import { didYouMean } from '../../suggest.ts';
import type { AttachSettings } from './settings.ts';

/** A view of a row that is still to be made: its own document, or one of its files. */
export interface View {
  readonly row: Document;
  readonly file?: { readonly cell: Cell; readonly located: Located } | undefined;
}

/** What has become of a row. */
export interface Found {
  readonly views: readonly View[];
  readonly rejects: readonly RecordError[];
}

/** Bytes that a row holds, files in its columns included. */
export function rowBytes({ bytes, meta }: Document, columns: readonly string[]): number {
  return columns.reduce((sum, column) => sum + heldBytes(own(meta, column) ?? null), bytes.length);
}

function heldBytes(value: MetaValue): number {
  if (typeof value === 'string') return 2 * value.length;
  if (value instanceof Uint8Array) return value.length;
  if (typeof value !== 'object' || value === null || value instanceof Date) return 0;
  return Object.values(value).reduce((sum: number, one: MetaValue) => sum + heldBytes(one), 0);
}

/** Looks for the files of a row. Nothing of it is read yet, so that a record can still be rejected as a whole. */
export async function findViews(
  row: Document,
  references: References,
  { columns, text, onMissing }: AttachSettings,
  signal: AbortSignal,
): Promise<Found> {
  const views: View[] = text ? [{ row }] : [];
  const rejects: RecordError[] = [];
  for (const column of columns) {
    let cells: readonly Cell[];
    try {
      cells = cellsOf(column, required(row, column));
    } catch (error) {
      rejects.push(rejected(row, column, error));
      continue;
    }
    for (const cell of cells) {
      try {
        const located = await references.locate(cell, row.source, signal);
        // What is damaged must be known before the record's first view is handed on.
        if (onMissing === 'record') await located.check?.(signal);
        views.push({ row, file: { cell, located } });
      } catch (error) {
        rejects.push(rejected(row, column, error, cell));
      }
    }
  }
  const [first] = rejects;
  if (first === undefined || onMissing === 'reference') return { views, rejects };
  const { code, path, position, hint } = first;
  const others = rejects.length === 1 ? '' : `, and ${rejects.length - 1} more of its files`;
  return { views: [], rejects: [new RecordError(`${first.message}${others}`, { code, path, position, hint })] };
}

/** The document that a view is. */
export function documentOf({ row, file }: View, bytes: Uint8Array, columns: readonly string[]): Document {
  const record = row.record ?? row.id;
  if (file === undefined) return { ...row, record, meta: withoutFiles(row.meta, columns) };
  const { column, index, text } = file.cell;
  const { split, position } = row.source;
  return {
    id: `${row.id}#${column}/${index}`,
    record,
    source: { split, uri: file.located.uri, position },
    bytes,
    meta: { column, index, reference: text === null ? null : referenceName(text) },
  };
}

function withoutFiles(meta: Meta, columns: readonly string[]): Meta {
  return Object.fromEntries(
    Object.entries(meta).map(([name, value]) => [name, columns.includes(name) ? withoutBytes(value) : value]),
  );
}

function required({ meta }: Document, column: string): MetaValue {
  const value = own(meta, column);
  if (value !== undefined) return value;
  throw new Failure(
    'MISSING_COLUMN',
    'the document has no such column',
    `Declare it in the columns of the source. ${didYouMean(column, Object.keys(meta))}`,
  );
}

/** The reject of a file, or of a column as a whole. Throws what concerns more than this row. */
export function rejected({ source }: Document, column: string, error: unknown, cell?: Cell): RecordError {
  if (!(error instanceof Failure)) throw error;
  const what = cell?.text === null || cell === undefined ? '' : `'${shownReference(cell.text)}'`;
  const place = cell === undefined || cell.index === 0 ? '' : `, entry ${cell.index}`;
  const named = what === '' ? `column '${column}'${place}` : `${what} (column '${column}'${place})`;
  return new RecordError(`${named}: ${error.message}`, {
    code: error.code,
    path: source.uri,
    position: source.position,
    hint: error.hint,
    cause: error.cause,
  });
}
