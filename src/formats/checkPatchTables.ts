import type { Complain } from './checkNumbers.ts';
import { checkTable, isObject, isText, type RowsInHand, type WantedColumn } from './parquetTable.ts';

/** What a commit record says of a table of patches. */
export interface ExpectedTable {
  readonly rows: number;
  readonly patches: number;
  readonly bytes: number;
}

const PATCH_COLUMNS: readonly WantedColumn[] = [
  ['doc_id', 'BYTE_ARRAY', 'REQUIRED'],
  ['uri', 'BYTE_ARRAY', 'REQUIRED'],
  ['patch_index', 'INT64', 'REQUIRED'],
  ['offset', 'INT64', 'REQUIRED'],
  ['bytes', 'BYTE_ARRAY', 'REQUIRED'],
  ['prominence', 'FLOAT', 'REQUIRED'],
  ['entropy', 'FLOAT', 'REQUIRED'],
  ['coherence', 'FLOAT', 'REQUIRED'],
  ['embedding', 'FLOAT', 'LIST'],
];

const DOCUMENT_COLUMNS: readonly WantedColumn[] = [
  ['id', 'BYTE_ARRAY', 'REQUIRED'],
  ['uri', 'BYTE_ARRAY', 'REQUIRED'],
  ['num_patches', 'INT32', 'REQUIRED'],
  ['total_bytes', 'INT64', 'REQUIRED'],
  ['embed_dim', 'INT32', 'REQUIRED'],
  ['bytes', 'BYTE_ARRAY', 'REQUIRED'],
  ['patch_lengths', 'INT32', 'LIST'],
  ['prominence', 'FLOAT', 'LIST'],
  ['patch_entropies', 'FLOAT', 'LIST'],
  ['coherence', 'FLOAT', 'LIST'],
  ['embeddings', 'FLOAT', 'LIST'],
  ['meta', 'BYTE_ARRAY', 'REQUIRED'],
];

/** Entropies of a model may lie below 0 by rounding. */
const LEAST_ENTROPY = -1e-3;

/**
 * Checks a `sluice_patches_parquet_v1` file: its schema, finite numbers, patches that are not empty, and that follow one
 * another within a document in number and in place; the counts of the commit. Holds one row group at a time.
 *
 * @throws OutputError `PARQUET` where it cannot be decoded
 */
export async function checkPatchTable(file: string, expected: ExpectedTable, complain: Complain): Promise<void> {
  const sums = { patches: 0, bytes: 0 };
  let before: { readonly id: Buffer; readonly index: bigint } | undefined;
  let dim: number | undefined;
  await checkTable(file, PATCH_COLUMNS, expected.rows, complain, async (rows) => {
    const bad = (i: number, what: string): void => complain(`has ${what} in row ${rows.rowStart + i}`);
    const [ids, indexes, contents] = [
      await rows.read('doc_id'),
      await rows.read('patch_index'),
      await rows.read('bytes'),
    ];
    for (let i = 0; i < ids.length; i++) {
      const [id, index, content] = [ids[i], indexes[i], contents[i]];
      if (!isText(id) || typeof index !== 'bigint' || !(content instanceof Uint8Array)) {
        bad(i, 'no patch');
        continue;
      }
      if (content.length === 0) bad(i, 'a patch of 0 bytes');
      const goesOn = before !== undefined && index === before.index + 1n && before.id.equals(id);
      if (index !== 0n && before !== undefined && !goesOn) bad(i, `patch ${index} behind patch ${before.index}`);
      before = { id: Buffer.from(id), index };
      sums.patches++;
      sums.bytes += content.length;
    }
    await each(rows, 'uri', (value) => (isText(value) ? undefined : 'no uri'), bad);
    for (const [name, least] of [
      ['prominence', 0],
      ['entropy', LEAST_ENTROPY],
      ['coherence', Number.NEGATIVE_INFINITY],
    ] as const)
      await each(rows, name, (value) => floatFault(name, value, least), bad);
    const embeddingFault = (value: unknown): string | undefined => {
      const width = floats(value)?.length;
      dim ??= width;
      if (width === undefined) return 'no embedding';
      return width === dim ? undefined : `an embedding of ${width} numbers behind those of ${dim}`;
    };
    await each(rows, 'embedding', embeddingFault, bad);
  });
  compare(sums, expected, complain);
}

/**
 * Checks a `sluice_patched_documents_parquet_v1` file: its schema, lists of as many numbers as there are patches, lengths that
 * add up to the bytes; the counts of the commit. Holds one row group at a time.
 *
 * @throws OutputError `PARQUET` where it cannot be decoded
 */
export async function checkPatchedDocuments(file: string, expected: ExpectedTable, complain: Complain): Promise<void> {
  const sums = { patches: 0, bytes: 0 };
  await checkTable(file, DOCUMENT_COLUMNS, expected.rows, complain, async (rows) => {
    const bad = (i: number, what: string): void => complain(`has ${what} in row ${rows.rowStart + i}`);
    const [counts, totals, dims] = [
      await rows.read('num_patches'),
      await rows.read('total_bytes'),
      await rows.read('embed_dim'),
    ];
    for (let i = 0; i < counts.length; i++) {
      sums.patches += Number(counts[i]);
      sums.bytes += Number(totals[i]);
    }
    for (const name of ['id', 'uri'])
      await each(rows, name, (value) => (isText(value) ? undefined : `no ${name}`), bad);
    await each(rows, 'meta', (value) => (isText(value) && isObject(value) ? undefined : 'no metadata'), bad);
    await each(
      rows,
      'bytes',
      (value, i) =>
        value instanceof Uint8Array && BigInt(value.length) === totals[i]
          ? undefined
          : 'bytes of another size than it tells',
      bad,
    );
    await each(rows, 'patch_lengths', (value, i) => lengthsFault(value, counts[i], totals[i]), bad);
    for (const [name, least] of [
      ['prominence', 0],
      ['patch_entropies', LEAST_ENTROPY],
      ['coherence', Number.NEGATIVE_INFINITY],
    ] as const)
      await each(rows, name, (value, i) => listFault(name, value, Number(counts[i]), least), bad);
    const all = Number.NEGATIVE_INFINITY;
    await each(
      rows,
      'embeddings',
      (value, i) => listFault('embeddings', value, Number(counts[i]) * Number(dims[i]), all),
      bad,
    );
  });
  compare(sums, expected, complain);
}

async function each(
  rows: RowsInHand,
  column: string,
  fault: (value: unknown, i: number) => string | undefined,
  bad: (i: number, what: string) => void,
): Promise<void> {
  const values = await rows.read(column);
  for (let i = 0; i < values.length; i++) {
    const what = fault(values[i], i);
    if (what !== undefined) bad(i, what);
  }
}

function compare(sums: Omit<ExpectedTable, 'rows'>, expected: ExpectedTable, complain: Complain): void {
  for (const key of ['patches', 'bytes'] as const) {
    if (sums[key] !== expected[key]) complain(`holds ${sums[key]} ${key}, and was committed with ${expected[key]}`);
  }
}

function floatFault(name: string, value: unknown, least: number): string | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value >= least ? undefined : `${name} = ${value}`;
}

function floats(value: unknown): number[] | undefined {
  return Array.isArray(value) && value.every((item) => Number.isFinite(item)) ? value : undefined;
}

function lengthsFault(value: unknown, count: unknown, total: unknown): string | undefined {
  const lengths = floats(value);
  if (lengths === undefined || lengths.length !== count) return 'no length of every patch';
  if (lengths.some((length) => length < 1)) return 'a patch of 0 bytes';
  const sum = lengths.reduce((a, b) => a + b, 0);
  return BigInt(sum) === total ? undefined : `patch lengths that add up to ${sum}, and ${total} bytes`;
}

function listFault(name: string, value: unknown, count: number, least: number): string | undefined {
  const values = floats(value);
  if (values?.length !== count) return `${values?.length ?? 'no'} numbers of ${name}, and not ${count}`;
  const low = values.findIndex((item) => item < least);
  return low < 0 ? undefined : `${name}[${low}] = ${values[low]}`;
}
