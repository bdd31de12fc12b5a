import { isUtf8 } from 'node:buffer';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import {
  asyncBufferFromFile,
  type Compressors,
  parquetMetadataAsync,
  parquetScan,
  type SchemaElement,
} from 'hyparquet';
import { OutputError } from '../errors.ts';
import { withoutLogicalTypes } from '../sources/parquet-schema.ts';
import type { Complain } from './checkNumbers.ts';

type Values = ArrayLike<unknown>;
type ReadColumn = (column: string) => Promise<Values>;

const compressors: Compressors = {
  GZIP: (input, length) => gunzipSync(input, { maxOutputLength: Math.max(1, length) }),
  ZSTD: (input, length) => zstdDecompressSync(input, { maxOutputLength: Math.max(1, length) }),
};

/** Columns that every file of documents has, as the schema must say them. */
const WANTED = [
  ['id', 'BYTE_ARRAY', 'REQUIRED'],
  ['uri', 'BYTE_ARRAY', 'REQUIRED'],
  ['text', 'BYTE_ARRAY', 'OPTIONAL'],
  ['bytes', 'BYTE_ARRAY', 'OPTIONAL'],
  ['ordinal', 'INT64', 'REQUIRED'],
  ['meta', 'BYTE_ARRAY', 'REQUIRED'],
] as const;

/**
 * Checks a `sluice_documents_parquet_v1` file: its schema; as many rows as were counted; that ids and uris are text,
 * every document is either text or bytes, and its metadata are a JSON object. Holds one row group at a time.
 *
 * @throws OutputError `PARQUET` where it cannot be decoded
 */
export async function checkDocuments(file: string, documents: number, complain: Complain): Promise<void> {
  try {
    await check(file, documents, complain);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new OutputError(`cannot be decoded as Parquet: ${reason}`, { code: 'PARQUET', path: file, cause });
  }
}

async function check(path: string, documents: number, complain: Complain): Promise<void> {
  const file = await asyncBufferFromFile(path);
  const metadata = await parquetMetadataAsync(file, { geoparquet: false });
  if (!checkSchema(metadata.schema, complain)) return;
  if (metadata.num_rows !== BigInt(documents)) complain(`has ${metadata.num_rows} rows, and should have ${documents}`);
  const held = metadata.row_groups.reduce((rows, group) => rows + group.num_rows, 0n);
  if (held !== metadata.num_rows) complain(`has ${metadata.num_rows} rows, and row groups of ${held}`);
  const stored = withoutLogicalTypes(metadata);
  let rowStart = 0;
  for (const group of metadata.row_groups) {
    const rowEnd = rowStart + Number(group.num_rows);
    const range = { rowStart, rowEnd };
    const scan = await parquetScan({ file, metadata: stored, compressors, utf8: false, geoparquet: false, ...range });
    await checkRows((column) => scan.readColumn({ column, ...range }), range, complain);
    rowStart = rowEnd;
  }
}

function checkSchema(schema: readonly SchemaElement[], complain: Complain): boolean {
  let sound = true;
  for (const [name, type, repetition] of WANTED) {
    const element = schema.find((candidate) => candidate.name === name);
    if (element?.type === type && element.repetition_type === repetition) continue;
    complain(element === undefined ? `has no column '${name}'` : `has a column '${name}' of another type`);
    sound = false;
  }
  return sound;
}

async function checkRows(
  read: ReadColumn,
  { rowStart, rowEnd }: { rowStart: number; rowEnd: number },
  complain: Complain,
): Promise<void> {
  const rows = rowEnd - rowStart;
  const each = async (column: string, fault: (value: unknown, i: number) => string | undefined): Promise<void> => {
    const values = await read(column);
    if (values.length !== rows) complain(`has ${values.length} of ${rows} values in '${column}'`);
    for (let i = 0; i < rows; i++) {
      const what = fault(values[i], i);
      if (what !== undefined) complain(`has ${what} in row ${rowStart + i}`);
    }
  };
  for (const column of ['id', 'uri']) await each(column, (value) => (isText(value) ? undefined : `no ${column}`));
  await each('meta', (value) => (isText(value) && isObject(value) ? undefined : 'no metadata'));
  const hasText = new Set<number>();
  await each('text', (value, i) => {
    if (absent(value)) return undefined;
    hasText.add(i);
    return isText(value) ? undefined : 'text that is no UTF-8';
  });
  await each('bytes', (value, i) => {
    if (absent(value)) return hasText.has(i) ? undefined : 'no content';
    return hasText.has(i) ? 'both text and bytes' : undefined;
  });
}

function absent(value: unknown): value is null | undefined {
  return value === null || value === undefined;
}

function isText(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array && isUtf8(value);
}

function isObject(json: Uint8Array): boolean {
  try {
    const value: unknown = JSON.parse(Buffer.from(json.buffer, json.byteOffset, json.byteLength).toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}
