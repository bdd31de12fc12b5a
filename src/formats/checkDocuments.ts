import type { Complain } from './checkNumbers.ts';
import { checkTable, isObject, isText, type RowsInHand } from './parquetTable.ts';

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
  await checkTable(file, WANTED, documents, complain, (rows) => checkRows(rows, complain));
}

async function checkRows({ rowStart, rowEnd, read }: RowsInHand, complain: Complain): Promise<void> {
  const each = async (column: string, fault: (value: unknown, i: number) => string | undefined): Promise<void> => {
    const values = await read(column);
    for (let i = 0; i < rowEnd - rowStart; i++) {
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
