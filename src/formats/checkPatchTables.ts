import { fieldTensor, PATCH_FIELDS, partColumn, QUANTIZATION_KEY, rowColumn } from '../quantization/fieldTensors.ts';
import type { Complain } from './checkNumbers.ts';
import { LEAST } from './checkPatches.ts';
import {
  type CheckedField,
  type ExpectedQuantized,
  floatFields,
  noQuantizers,
  type OpenQuantizers,
  openFields,
  RowsCheck,
} from './checkQuantized.ts';
import { checkTable, isObject, isText, type RowsInHand, type WantedBy, type WantedColumn } from './parquetTable.ts';

type PatchField = (typeof PATCH_FIELDS)[number];

/** What a commit record says of a table of patches. */
export interface ExpectedTable extends ExpectedQuantized {
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
  ['coherence', 'FLOAT', 'REQUIRED'],
];

const DOCUMENT_COLUMNS: readonly WantedColumn[] = [
  ['id', 'BYTE_ARRAY', 'REQUIRED'],
  ['uri', 'BYTE_ARRAY', 'REQUIRED'],
  ['num_patches', 'INT32', 'REQUIRED'],
  ['total_bytes', 'INT64', 'REQUIRED'],
  ['embed_dim', 'INT32', 'REQUIRED'],
  ['bytes', 'BYTE_ARRAY', 'REQUIRED'],
  ['patch_lengths', 'INT32', 'LIST'],
  ['coherence', 'FLOAT', 'LIST'],
  ['meta', 'BYTE_ARRAY', 'REQUIRED'],
];

/**
 * Checks a `sluice_patches_parquet_v1` file: its schema, finite numbers, patches that are not empty, and that follow one
 * another within a document in number and in place; the counts of the commit. Holds one row group at a time.
 *
 * @throws OutputError `PARQUET` where it cannot be decoded
 */
export async function checkPatchTable(
  file: string,
  expected: ExpectedTable,
  complain: Complain,
  open: OpenQuantizers = noQuantizers,
): Promise<void> {
  const table = new QuantizedTable(rowColumn, expected, open, complain);
  const sums = { patches: 0, bytes: 0 };
  let before: { readonly id: Buffer; readonly index: bigint } | undefined;
  let dim: number | undefined;
  await checkTable(file, table.wanted(PATCH_COLUMNS, 'REQUIRED'), expected.rows, complain, async (rows) => {
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
    for (const [name, least] of table.signals) await each(rows, name, (value) => floatFault(name, value, least), bad);
    const embeddingFault = (value: unknown): string | undefined => {
      const width = floats(value)?.length;
      dim ??= width;
      if (width === undefined) return 'no embedding';
      return width === dim ? undefined : `an embedding of ${width} numbers behind those of ${dim}`;
    };
    if (table.hasFloats('embeddings')) await each(rows, 'embedding', embeddingFault, bad);
    await table.checkParts(rows, () => 1, bad);
  });
  compare(sums, expected, complain);
}

/**
 * Checks a `sluice_patched_documents_parquet_v1` file: its schema, lists of as many numbers as there are patches, lengths that
 * add up to the bytes; the counts of the commit. Holds one row group at a time.
 *
 * @throws OutputError `PARQUET` where it cannot be decoded
 */
export async function checkPatchedDocuments(
  file: string,
  expected: ExpectedTable,
  complain: Complain,
  open: OpenQuantizers = noQuantizers,
): Promise<void> {
  const table = new QuantizedTable(fieldTensor, expected, open, complain);
  const sums = { patches: 0, bytes: 0 };
  await checkTable(file, table.wanted(DOCUMENT_COLUMNS, 'LIST'), expected.rows, complain, async (rows) => {
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
    for (const [name, least] of table.signals)
      await each(rows, name, (value, i) => listFault(name, value, Number(counts[i]), least), bad);
    const width = (i: number): number => Number(counts[i]) * Number(dims[i]);
    const embeddingsFault = (value: unknown, i: number): string | undefined =>
      listFault('embeddings', value, width(i), LEAST.embeddings);
    if (table.hasFloats('embeddings')) await each(rows, 'embeddings', embeddingsFault, bad);
    await each(rows, 'embed_dim', (value) => table.widthFault(Number(value)), bad);
    await table.checkParts(rows, (i) => Number(counts[i]), bad);
  });
  compare(sums, expected, complain);
}

/** Columns of fields that a table holds as float32 values, quantized, or both. */
class QuantizedTable {
  readonly #nameOf: (field: PatchField) => string;
  readonly #expected: ExpectedTable;
  readonly #open: OpenQuantizers;
  readonly #complain: Complain;
  #fields: readonly CheckedField[] = [];
  #floats: readonly PatchField[] = PATCH_FIELDS;

  constructor(
    nameOf: (field: PatchField) => string,
    expected: ExpectedTable,
    open: OpenQuantizers,
    complain: Complain,
  ) {
    this.#nameOf = nameOf;
    this.#expected = expected;
    this.#open = open;
    this.#complain = complain;
  }

  /** Columns of one number a row, or a list, and the least that a number may be. */
  get signals(): readonly (readonly [name: string, least: number])[] {
    const signals = this.#floats.filter((field) => field !== 'embeddings');
    return [
      ...signals.map((field) => [this.#nameOf(field), LEAST[field]] as const),
      ['coherence', Number.NEGATIVE_INFINITY],
    ];
  }

  /** Whether quantized embeddings have another width than a row tells. */
  widthFault(dim: number): string | undefined {
    const { columns = dim } = this.#fields.find(({ stored }) => stored.field === 'embeddings')?.quantizer ?? {};
    return columns === dim ? undefined : `an embed_dim of ${dim}, and quantized embeddings of ${columns} columns`;
  }

  hasFloats(field: PatchField): boolean {
    return this.#floats.includes(field);
  }

  /** The columns that are there always, and those of the fields; `repetition` is that of prominence and entropy. */
  wanted(always: readonly WantedColumn[], repetition: 'REQUIRED' | 'LIST'): WantedBy {
    return async ({ metadata, columns }) => {
      const claim = { text: metadata.get(QUANTIZATION_KEY), fields: PATCH_FIELDS, quantized: this.#expected.quantized };
      const fields = await openFields(claim, this.#open, this.#complain);
      if (fields === undefined) return undefined;
      this.#fields = fields;
      this.#floats = floatFields(PATCH_FIELDS, fields, (field) => columns.has(this.#nameOf(field)));
      const floats = this.#floats.map((field): WantedColumn => {
        return [this.#nameOf(field), 'FLOAT', field === 'embeddings' ? 'LIST' : repetition];
      });
      const parts = fields.flatMap((field) => this.#columns(field));
      return [...always, ...floats, ...parts.map((name): WantedColumn => [name, 'BYTE_ARRAY', 'REQUIRED'])];
    };
  }

  /** @param count how many rows of fields a row of the table has */
  async checkParts(rows: RowsInHand, count: (i: number) => number, bad: Bad): Promise<void> {
    for (const field of this.#fields) {
      const parts: ArrayLike<unknown>[] = [];
      for (const column of this.#columns(field)) parts.push(await rows.read(column));
      const check = new RowsCheck(field, bad);
      for (let i = 0; i < rows.rowEnd - rows.rowStart; i++) {
        check.add(
          i,
          count(i),
          parts.map((values) => values[i]),
        );
      }
      check.end();
    }
  }

  #columns({ stored, quantizer }: CheckedField): string[] {
    const name = this.#nameOf(stored.field as PatchField);
    return quantizer.parts.map((part) => partColumn(name, part.name));
  }
}

type Bad = (i: number, what: string) => void;

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
