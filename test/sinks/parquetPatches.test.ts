import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { tableFromIPC } from 'apache-arrow';
import fc from 'fast-check';
import { parquetMetadata, parquetReadObjects } from 'hyparquet';
import { readParquet } from 'parquet-wasm/node';
import { describe, expect, it } from 'vitest';
import { checkPatchedDocuments, checkPatchTable, type ExpectedTable } from '../../src/formats/checkPatchTables.ts';
import type { Patches } from '../../src/records.ts';
import { type ParquetOptions, parquet } from '../../src/sinks/parquet.ts';
import { duckdb } from '../support/duckdb.ts';
import { divided, filesOf, patchesOf, type Sketch, sketches, temporaryFolder, type Written, writeAll } from './flow.ts';

type Row = Record<string, unknown>;

const three: Sketch[] = [
  { segments: [[3, 4], [2]] },
  { id: 'none', segments: [[]] },
  { segments: [[5], [1]], derived: 'utf-16le -> utf-8' },
];

/** Values as plain JavaScript, whichever reader they come from: bytes as Buffers, lists as arrays. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value);
  if (ArrayBuffer.isView(value)) return Array.from(value as Float32Array);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === 'object' && value !== null && Symbol.iterator in value) return [...(value as Iterable<unknown>)];
  return value;
}
const plainRows = (rows: Row[]): Row[] =>
  rows.map((row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, plain(value)])));

/** Arrow's reader in Rust. */
const arrowRows = (file: Uint8Array): Row[] =>
  plainRows(
    tableFromIPC(readParquet(file).intoIPCStream())
      .toArray()
      .map((row) => row.toJSON()),
  );

async function hyparquetRows(file: Buffer): Promise<Row[]> {
  const buffer = new Uint8Array(file).buffer;
  const slice = (start: number, end?: number): ArrayBuffer => buffer.slice(start, end);
  const rows = await parquetReadObjects({ file: { byteLength: buffer.byteLength, slice }, utf8: false });
  return plainRows(rows);
}

interface Output extends Written {
  readonly files: Map<string, Buffer>;
}

async function written(values: Patches[], options: ParquetOptions = {}): Promise<Output> {
  const all = await writeAll([parquet('tables', options)], values);
  return { ...all, files: await filesOf(all.root, 'tables') };
}

async function complaints({ root, artefacts }: Written, check: typeof checkPatchTable): Promise<string[]> {
  const found: string[] = [];
  for (const { path: file, info } of artefacts)
    await check(path.join(root, file), info as unknown as ExpectedTable, (what) => found.push(what));
  return found;
}

/** What a row of each patch should hold. */
function patchRows(values: Patches[]): Row[] {
  const counts = new Map<object, bigint>();
  return values.flatMap((value) => {
    const { segment, dim } = value;
    const { id, record, source } = segment.document;
    const { start, derived } = segment.origin;
    let offset = derived === undefined ? start : 0;
    let byte = 0;
    return Array.from(value.lengths, (length, i): Row => {
      const index = counts.get(segment.document) ?? 0n;
      counts.set(segment.document, index + 1n);
      offset += length;
      byte += length;
      return {
        doc_id: id,
        record: record ?? null,
        uri: source.uri,
        patch_index: index,
        segment: segment.index,
        modality: segment.modality,
        derived: derived ?? null,
        offset: BigInt(offset - length),
        bytes: Buffer.from(value.bytes.subarray(byte - length, byte)),
        prominence: value.prominence[i],
        entropy: value.entropy[i],
        coherence: value.coherence[i],
        embedding: [...value.embeddings.subarray(i * dim, (i + 1) * dim)],
      };
    });
  });
}

describe('parquet sink of patches', () => {
  it('writes one row a patch, which three readers read alike', async () => {
    const values = patchesOf(three, 3);
    const output = await written(values, { compression: 'snappy' });
    expect(output.artefacts).toMatchObject([
      {
        path: 'tables/00000-000000.parquet',
        info: { format: 'sluice_patches_parquet_v1', split: '00000', rows: 5, patches: 5, bytes: 15 },
      },
    ]);
    // Also the document that has no patches, and so no row.
    expect(output.counts).toEqual({ documents: 3, patches: 5, bytes: 15 });
    const file = output.files.get('00000-000000.parquet')!;
    const expected = patchRows(values);
    expect(arrowRows(file)).toEqual(expected);
    expect(await hyparquetRows(file)).toEqual(expected);
    const name = path.join(output.root, output.artefacts[0]!.path);
    expect(plainRows(await duckdb(`SELECT * FROM '${name}'`))).toEqual(expected);
    expect(
      await duckdb(`SELECT doc_id, sum(octet_length(bytes))::INT AS n FROM '${name}' GROUP BY 1 ORDER BY 1`),
    ).toEqual([
      { doc_id: 'doc-0', n: 9 },
      { doc_id: 'doc-2', n: 6 },
    ]);
  });

  it('writes one row a document with lists, which three readers read alike', async () => {
    const values = patchesOf(three, 2);
    const output = await written(values, { rows: 'document', compression: 'gzip' });
    expect(output.artefacts).toMatchObject([
      { info: { format: 'sluice_patched_documents_parquet_v1', split: '00000', rows: 3, patches: 5, bytes: 15 } },
    ]);
    const groups = [values.slice(0, 2), values.slice(2, 3), values.slice(3)];
    const lists = (group: Patches[], pick: (value: Patches) => Float32Array | Int32Array): number[] =>
      group.flatMap((value) => [...pick(value)]);
    const expected = groups.map(
      (group, ordinal): Row => ({
        id: ['doc-0', 'none', 'doc-2'][ordinal],
        record: null,
        uri: `in/${ordinal}.txt`,
        part: 0,
        complete: true,
        modality: 'text',
        derived: ordinal === 2 ? 'utf-16le -> utf-8' : null,
        num_patches: [3, 0, 2][ordinal],
        total_bytes: [9n, 0n, 6n][ordinal],
        embed_dim: 2,
        bytes: Buffer.concat(group.map((value) => value.bytes)),
        patch_lengths: lists(group, (value) => value.lengths),
        prominence: lists(group, (value) => value.prominence),
        patch_entropies: lists(group, (value) => value.entropy),
        coherence: lists(group, (value) => value.coherence),
        embeddings: lists(group, (value) => value.embeddings),
        ordinal: BigInt(ordinal),
        byte: null,
        line: BigInt(ordinal + 1),
        row: null,
        member: null,
        record_part: null,
        meta: `{"n":${ordinal}}`,
      }),
    );
    const file = output.files.get('00000-000000.parquet')!;
    expect(arrowRows(file)).toEqual(expected);
    const name = path.join(output.root, output.artefacts[0]!.path);
    expect(plainRows(await duckdb(`SELECT * FROM '${name}'`))).toEqual(expected);
  });

  it('loses nothing, writes the same bytes however the flow is divided, and passes its own check', async () => {
    const at = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 });
    const options = fc.record({
      rows: fc.constantFrom('patch', 'document'),
      compression: fc.constantFrom('none', 'snappy', 'zstd'),
      fileBytes: fc.integer({ min: 1, max: 30_000 }),
      rowGroupBytes: fc.integer({ min: 1, max: 20_000 }),
    }) as fc.Arbitrary<ParquetOptions>;
    await fc.assert(
      fc.asyncProperty(sketches({ maxLength: 300 }), at, options, async (documents, cuts, chosen) => {
        const values = patchesOf(documents);
        const whole = await written(values, chosen);
        expect((await written(divided(values, cuts), chosen)).files).toEqual(whole.files);
        const rows = [...whole.files.values()].flatMap(arrowRows);
        if (chosen.rows === 'patch') expect(rows).toEqual(patchRows(values));
        expect(Buffer.concat(rows.map(({ bytes }) => bytes as Buffer))).toEqual(
          Buffer.concat(values.map(({ bytes }) => bytes)),
        );
        expect(await complaints(whole, chosen.rows === 'patch' ? checkPatchTable : checkPatchedDocuments)).toEqual([]);
      }),
      { numRuns: 8 },
    );
  });

  it.each(['none', 'snappy', 'zstd'] as const)(
    'writes lists without numbers, short ones and long ones, in pages of their own size (%s)',
    async (compression) => {
      const sizes = [0, 1, 0, 0, 2, 300_000, 7, 0];
      const values = patchesOf(
        sizes.map((size) => ({ segments: [Array(size).fill(1)] })),
        0,
      );
      const expected = values.map(({ lengths }) => [...lengths]);
      const options = { rows: 'document', compression, rowGroupBytes: 64 << 20 } as const;
      const { root, artefacts, files } = await written(values, options);
      const name = path.join(root, artefacts[0]!.path);
      const rows = arrowRows(files.get('00000-000000.parquet')!);
      expect(rows.map(({ patch_lengths }) => patch_lengths)).toEqual(expected);
      expect(rows.map(({ embeddings }) => embeddings)).toEqual(expected.map(() => []));
      const read = await duckdb(`SELECT patch_lengths, embeddings FROM '${name}'`);
      expect(read.map(({ patch_lengths }) => patch_lengths)).toEqual(expected);
      const [group] = parquetMetadata(new Uint8Array(files.get('00000-000000.parquet')!).buffer).row_groups;
      const column = group?.columns.find(({ meta_data: meta }) => meta?.path_in_schema[0] === 'patch_lengths');
      expect(column?.meta_data).toMatchObject({
        num_values: 300_014n,
        path_in_schema: ['patch_lengths', 'list', 'element'],
      });
      expect(column?.offset_index_offset).toBeGreaterThan(0n);
      const found: string[] = [];
      const info = artefacts[0]?.info as unknown as ExpectedTable;
      await checkPatchedDocuments(name, info, (what) => found.push(what));
      expect(found).toEqual([]);
    },
  );

  it('divides a document that does not fit into a row group twice, and counts its patches on', async () => {
    const values = patchesOf([{ segments: [Array(300).fill(7)] }]);
    const rowGroupBytes = 16_384;
    const parts = [...(await written(values, { rows: 'document', rowGroupBytes })).files.values()].flatMap(arrowRows);
    expect(parts.map(({ part, complete }) => [part, complete])).toEqual([
      [0, false],
      [1, false],
      [2, false],
      [3, true],
    ]);
    const { files } = await written(values, { rowGroupBytes });
    const rows = [...files.values()].flatMap(arrowRows);
    expect(rows.map(({ patch_index }) => patch_index)).toEqual(Array.from({ length: 300 }, (_, i) => BigInt(i)));
    expect(rows.map(({ offset }) => offset)).toEqual(Array.from({ length: 300 }, (_, i) => BigInt(7 * i)));
    const groups = [...files.values()].flatMap((file) => parquetMetadata(new Uint8Array(file).buffer).row_groups);
    expect(groups.length).toBeGreaterThan(4);
  });

  it('repeats typed columns of the documents, and keeps least and greatest values of what is asked for', async () => {
    const values = patchesOf(
      [
        { segments: [[1, 2]], meta: { lang: 'de' } },
        { segments: [[3]], meta: {} },
      ],
      1,
    );
    const { files } = await written(values, { columns: { lang: 'string?' } });
    const file = files.get('00000-000000.parquet')!;
    expect(arrowRows(file).map(({ lang }) => lang)).toEqual(['de', 'de', null]);
    const [group] = parquetMetadata(new Uint8Array(file).buffer).row_groups;
    const bounded = group?.columns.flatMap(({ meta_data: meta }) =>
      meta?.statistics?.min_value === undefined ? [] : [meta.path_in_schema.join('.')],
    );
    expect(bounded).toEqual([
      ...[
        'doc_id',
        'uri',
        'patch_index',
        'segment',
        'modality',
        'offset',
        'prominence',
        'entropy',
        'coherence',
        'lang',
      ],
    ]);
  });

  it('refuses a typed column of a name that the table has', async () => {
    const options: ParquetOptions = { columns: { embedding: 'string?' } };
    await expect(written(patchesOf(three), options)).rejects.toMatchObject({ code: 'RESERVED_COLUMN' });
    expect(() => parquet('tables', { rows: 'byte' } as unknown as ParquetOptions)).toThrow(
      expect.objectContaining({ code: 'BAD_ROWS' }),
    );
  });
});

describe('the check of tables of patches', () => {
  const [value] = patchesOf([{ segments: [[3, 4]] }], 2);
  const broken = (change: Partial<Patches>): Patches => ({ ...value!, ...change });

  /** Files with a fault that no sink lets through are made of sound ones, byte by byte. */
  async function found(options: ParquetOptions, change: (file: Buffer) => void): Promise<string[]> {
    const output = await written([value!], { compression: 'none', ...options });
    const file = output.files.get('00000-000000.parquet')!;
    change(file);
    await writeFile(path.join(output.root, 'tables/00000-000000.parquet'), file);
    return complaints(output, options.rows === 'document' ? checkPatchedDocuments : checkPatchTable);
  }

  const float = (number: number): Buffer => Buffer.from(Float32Array.of(number).buffer);
  const replace = (from: Buffer, to: Buffer) => (file: Buffer) => {
    const at = file.indexOf(from);
    expect(at).toBeGreaterThan(0);
    to.copy(file, at);
  };
  const prominence = (): number => value?.prominence[1] ?? 0;

  it('finds numbers that cannot be', async () => {
    const nan = replace(float(prominence()), float(Number.NaN));
    expect(await found({}, nan)).toContain('has prominence = NaN in row 1');
    expect(await found({ rows: 'document' }, nan)).toContain('has no numbers of prominence, and not 2 in row 0');
    const negative = replace(float(prominence()), float(-1));
    expect(await found({ rows: 'document' }, negative)).toContain('has prominence[1] = -1 in row 0');
  });

  it('finds patches that do not follow one another', async () => {
    const index = Buffer.from(BigInt64Array.of(0n, 1n).buffer);
    expect(await found({}, replace(index, Buffer.from(BigInt64Array.of(0n, 7n).buffer)))).toContain(
      'has patch 7 behind patch 0 in row 1',
    );
  });

  it('finds lengths that do not add up', async () => {
    const lengths = Buffer.from(Int32Array.of(3, 4).buffer);
    const changed = (...to: number[]) => replace(lengths, Buffer.from(Int32Array.from(to).buffer));
    expect(await found({ rows: 'document' }, changed(3, 5))).toContain(
      'has patch lengths that add up to 8, and 7 bytes in row 0',
    );
    expect(await found({ rows: 'document' }, changed(7, 0))).toContain('has a patch of 0 bytes in row 0');
  });

  it('finds another table, and other counts than were committed', async () => {
    const output = await written([broken({})], { rows: 'document' });
    expect(await complaints(output, checkPatchTable)).toContain("has no column 'doc_id'");
    const file = path.join(output.root, output.artefacts[0]!.path);
    const all: string[] = [];
    await checkPatchedDocuments(file, { rows: 2, patches: 3, bytes: 8 }, (what) => all.push(what));
    expect(all).toEqual([
      'has 1 rows, and should have 2',
      'holds 2 patches, and was committed with 3',
      'holds 7 bytes, and was committed with 8',
    ]);
  });

  it('tells that a file is no Parquet', async () => {
    const file = path.join(await temporaryFolder(), 'x.parquet');
    await writeFile(file, 'no Parquet at all');
    await expect(checkPatchTable(file, { rows: 0, patches: 0, bytes: 0 }, () => {})).rejects.toMatchObject({
      code: 'PARQUET',
    });
  });
});
