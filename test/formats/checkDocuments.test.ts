import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { SchemaElement } from 'hyparquet';
import { type ColumnSource, parquetWriteBuffer } from 'hyparquet-writer';
import { describe, expect, it } from 'vitest';
import { checkDocuments } from '../../src/formats/checkDocuments.ts';
import { temporaryFolder } from '../sinks/flow.ts';

interface Row {
  readonly id: Uint8Array;
  readonly uri: Uint8Array;
  readonly text: Uint8Array | null;
  readonly bytes: Uint8Array | null;
  readonly ordinal: bigint;
  readonly meta: Uint8Array;
}

const names = ['id', 'uri', 'text', 'bytes', 'ordinal', 'meta'] as const;

const row = (change: Partial<Row> = {}): Row => ({
  id: Buffer.from('a'),
  uri: Buffer.from('b'),
  text: Buffer.from('c'),
  bytes: null,
  ordinal: 0n,
  meta: Buffer.from('{}'),
  ...change,
});

const schemaOf = (change: Partial<Record<string, Partial<SchemaElement>>> = {}): SchemaElement[] => [
  { name: 'schema', num_children: names.length },
  ...names.map(
    (name): SchemaElement => ({
      name,
      type: name === 'ordinal' ? 'INT64' : 'BYTE_ARRAY',
      repetition_type: name === 'text' || name === 'bytes' ? 'OPTIONAL' : 'REQUIRED',
      ...change[name],
    }),
  ),
];

/** What is found in a file with these rows, three to a row group. */
async function complaints(
  rows: readonly Row[],
  { schema = schemaOf(), documents = rows.length } = {},
): Promise<string[]> {
  const columnData = schema.slice(1).map(({ name }, i): ColumnSource => {
    const member = names[i] ?? 'id';
    return { name, data: rows.map((values) => values[member]) };
  });
  const bytes = new Uint8Array(parquetWriteBuffer({ columnData, schema, rowGroupSize: 3, codec: 'UNCOMPRESSED' }));
  return complaintsOf(bytes, documents);
}

async function complaintsOf(bytes: Uint8Array, documents: number): Promise<string[]> {
  const file = path.join(await temporaryFolder(), 'x.parquet');
  await writeFile(file, bytes);
  const found: string[] = [];
  await checkDocuments(file, documents, (what) => found.push(what));
  return found;
}

describe('check of documents in Parquet', () => {
  it('finds nothing wrong with text, bytes and nothing at all', async () => {
    const binary = row({ text: null, bytes: Uint8Array.of(255) });
    expect(await complaints([row(), binary, row({ text: new Uint8Array() }), row(), binary])).toEqual([]);
  });

  it.each<[string, Partial<Row>]>([
    ['no id', { id: Uint8Array.of(0xff) }],
    ['no uri', { uri: Uint8Array.of(0xed, 0xa0, 0x80) }],
    ['no content', { text: null }],
    ['both text and bytes', { bytes: Uint8Array.of(1) }],
    ['text that is no UTF-8', { text: Uint8Array.of(0xc3) }],
    ['no metadata', { meta: Buffer.from('[]') }],
    ['no metadata', { meta: Buffer.from('{"a":') }],
    ['no metadata', { meta: Buffer.from('null') }],
  ])('finds a row with %s', async (what, change) => {
    expect(await complaints([row(), row(), row(), row(), row(change)])).toEqual([`has ${what} in row 4`]);
  });

  it('finds other numbers of rows than were counted', async () => {
    expect(await complaints([row(), row()], { documents: 3 })).toEqual(['has 2 rows, and should have 3']);
  });

  it('finds columns that are missing or of another type', async () => {
    const schema = schemaOf({ uri: { name: 'url' }, ordinal: { repetition_type: 'OPTIONAL' } });
    expect(await complaints([row()], { schema })).toEqual([
      "has no column 'uri'",
      "has a column 'ordinal' of another type",
    ]);
  });

  it.each([
    ['nothing', new Uint8Array()],
    ['no Parquet', Buffer.from('no Parquet at all')],
    ['an end that says nonsense', Buffer.from('PAR1\xff\xff\xff\xff\xff\x08\0\0\0PAR1', 'latin1')],
  ])('tells that a file is %s', async (_, bytes) => {
    await expect(complaintsOf(bytes, 1)).rejects.toMatchObject({
      code: 'PARQUET',
      message: expect.stringContaining('cannot be decoded as Parquet: '),
    });
  });

  it('tells that a page cannot be decoded', async () => {
    const bytes = new Uint8Array(
      parquetWriteBuffer({
        columnData: names.map((name) => ({ name, data: Array(9).fill(row()[name]) })),
        schema: schemaOf(),
      }),
    );
    await expect(complaintsOf(bytes.fill(0xff, 4, 60), 9)).rejects.toMatchObject({ code: 'PARQUET' });
  });
});
