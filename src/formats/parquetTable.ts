import { isUtf8 } from 'node:buffer';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import {
  type AsyncBuffer,
  asyncBufferFromFile,
  type Compressors,
  type FileMetaData,
  parquetMetadataAsync,
  parquetScan,
  type SchemaElement,
} from 'hyparquet';
import { OutputError } from '../errors.ts';
import { withoutLogicalTypes } from '../sources/parquet-schema.ts';
import type { Complain } from './checkNumbers.ts';

const compressors: Compressors = {
  GZIP: (input, length) => gunzipSync(input, { maxOutputLength: Math.max(1, length) }),
  ZSTD: (input, length) => zstdDecompressSync(input, { maxOutputLength: Math.max(1, length) }),
};

/** A column that a table must have: name, physical type (of a list: of its numbers), whether it may be null. */
export type WantedColumn = readonly [name: string, type: string, repetition: 'REQUIRED' | 'OPTIONAL' | 'LIST'];

/** What a file says of itself. */
export interface TableClaims {
  /** Key-value metadata. */
  readonly metadata: ReadonlyMap<string, string>;
  readonly columns: ReadonlySet<string>;
}

/** Columns that a table must have by what it says of itself; undefined where that is wrong already. */
export type WantedBy = (table: TableClaims) => Promise<readonly WantedColumn[] | undefined>;

/** Rows of a table that were decoded together. */
export interface RowsInHand {
  readonly rowStart: number;
  readonly rowEnd: number;
  /** All values of a column, as they are stored: text is bytes. Complains where there are too few. */
  read(column: string): Promise<ArrayLike<unknown>>;
}

/**
 * Reads a Parquet file row group by row group, for a check of what is in it; schema and number of rows are checked here.
 * @throws OutputError `PARQUET` where it cannot be decoded
 */
export async function checkTable(
  path: string,
  wanted: readonly WantedColumn[] | WantedBy,
  rows: number,
  complain: Complain,
  check: (rows: RowsInHand) => Promise<void>,
): Promise<void> {
  try {
    const file = await asyncBufferFromFile(path);
    const metadata = await parquetMetadataAsync(file, { geoparquet: false });
    const columns = typeof wanted === 'function' ? await wanted(tableOf(metadata)) : wanted;
    if (columns === undefined || !checkSchema(metadata.schema, columns, complain)) return;
    checkCounts(metadata, rows, complain);
    await eachGroup(file, metadata, complain, check);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new OutputError(`cannot be decoded as Parquet: ${reason}`, { code: 'PARQUET', path, cause });
  }
}

function tableOf({ key_value_metadata: pairs = [], schema }: FileMetaData): TableClaims {
  return {
    metadata: new Map(pairs.flatMap(({ key, value }) => (value === undefined ? [] : [[key, value]]))),
    columns: new Set(schema.map(({ name }) => name)),
  };
}

function checkCounts({ num_rows, row_groups }: FileMetaData, rows: number, complain: Complain): void {
  if (num_rows !== BigInt(rows)) complain(`has ${num_rows} rows, and should have ${rows}`);
  const held = row_groups.reduce((sum, group) => sum + group.num_rows, 0n);
  if (held !== num_rows) complain(`has ${num_rows} rows, and row groups of ${held}`);
}

async function eachGroup(
  file: AsyncBuffer,
  metadata: FileMetaData,
  complain: Complain,
  check: (rows: RowsInHand) => Promise<void>,
): Promise<void> {
  const stored = withoutLogicalTypes(metadata);
  let rowStart = 0;
  for (const group of metadata.row_groups) {
    const rowEnd = rowStart + Number(group.num_rows);
    const range = { rowStart, rowEnd };
    const scan = await parquetScan({ file, metadata: stored, compressors, utf8: false, geoparquet: false, ...range });
    await check({
      ...range,
      async read(column) {
        const values = await scan.readColumn({ column, ...range });
        if (values.length !== rowEnd - range.rowStart)
          complain(`has ${values.length} of ${rowEnd - range.rowStart} values in '${column}'`);
        return values;
      },
    });
    rowStart = rowEnd;
  }
}

function checkSchema(schema: readonly SchemaElement[], wanted: readonly WantedColumn[], complain: Complain): boolean {
  let sound = true;
  for (const [name, type, repetition] of wanted) {
    const at = schema.findIndex((candidate) => candidate.name === name);
    const element = schema[at];
    const [middle, inner] = [schema[at + 1], schema[at + 2]];
    const isAsWanted =
      repetition === 'LIST'
        ? element?.converted_type === 'LIST' && middle?.repetition_type === 'REPEATED' && inner?.type === type
        : element?.type === type && element.repetition_type === repetition;
    if (isAsWanted) continue;
    complain(element === undefined ? `has no column '${name}'` : `has a column '${name}' of another type`);
    sound = false;
  }
  return sound;
}

/** Whether a stored value is UTF-8. */
export function isText(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array && isUtf8(value);
}

/** Whether text is a JSON object. */
export function isObject(json: Uint8Array): boolean {
  try {
    const value: unknown = JSON.parse(Buffer.from(json.buffer, json.byteOffset, json.byteLength).toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}
