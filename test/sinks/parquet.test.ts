import path from 'node:path';
import { tableFromIPC } from 'apache-arrow';
import fc from 'fast-check';
import { type FileMetaData, parquetMetadata, parquetReadObjects } from 'hyparquet';
import { readParquet } from 'parquet-wasm/node';
import { map } from 'rxjs';
import { definePipeline } from 'sluice';
import { describe, expect, it } from 'vitest';
import type { Document, MetaValue } from '../../src/records.ts';
import { run } from '../../src/run/run.ts';
import { verifyOutput } from '../../src/run/verify.ts';
import type { Artefact } from '../../src/sinks/artefact.ts';
import { metaJson } from '../../src/sinks/metaJson.ts';
import { type ParquetOptions, parquet } from '../../src/sinks/parquet.ts';
import type { ScalarKind } from '../../src/sources/columns.ts';
import { parquet as parquetSource } from '../../src/sources/parquet.ts';
import { readAll } from '../sources/helpers.ts';
import { numbers } from '../support/lines.ts';
import { filesOf, temporaryFolder, writeAll } from './flow.ts';

const documentOf = (bytes: Uint8Array, ordinal = 0, meta: Document['meta'] = {}): Document => ({
  id: `d${ordinal}`,
  source: { split: '00000', uri: 'a.jsonl', position: { ordinal, line: ordinal + 1 } },
  bytes,
  meta,
});

interface Output {
  readonly root: string;
  readonly files: Buffer[];
  readonly artefacts: Artefact[];
  readonly counts: Record<string, number>;
}

async function written(documents: Iterable<Document>, options: ParquetOptions = {}): Promise<Output> {
  const { root, artefacts, counts } = await writeAll([parquet('documents', options)], documents);
  return { root, artefacts, counts, files: [...(await filesOf(root, 'documents')).values()] };
}

type Row = Record<string, unknown>;

/** Rows as Arrow's Parquet reader in Rust sees them. */
function rowsOf(file: Uint8Array): Row[] {
  return tableFromIPC(readParquet(file).intoIPCStream())
    .toArray()
    .map((row) => row.toJSON());
}

const arrayBuffer = (file: Buffer): ArrayBuffer => new Uint8Array(file).buffer;
const metadataOf = (file: Buffer): FileMetaData => parquetMetadata(arrayBuffer(file));

/** Rows as hyparquet sees them, with bytes left alone. */
function hyparquetRows(file: Buffer): Promise<Row[]> {
  const buffer = arrayBuffer(file);
  const slice = (start: number, end?: number): ArrayBuffer => buffer.slice(start, end);
  return parquetReadObjects({ file: { byteLength: buffer.byteLength, slice }, utf8: false });
}

const contentOf = ({ text, bytes }: Row): Buffer => Buffer.from((text ?? bytes) as string | Uint8Array);

const isText = (bytes: Uint8Array): boolean => {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
};

const text = fc.string({ unit: 'binary', maxLength: 20 });
const contents = fc.oneof(
  fc.uint8Array({ maxLength: 400 }),
  text.map((string) => Buffer.from(string)),
  fc.nat({ max: 2000 }).map((size) => new Uint8Array(size)),
);
const { meta } = fc.letrec<{ value: MetaValue; meta: Document['meta'] }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom<MetaValue[]>(null, true, false, Number.NaN, -0, new Date(Number.NaN)),
    fc.double(),
    fc.bigInt(),
    text,
    fc.string({ unit: fc.constantFrom('a', '\ud800', '\udc00', '"', '\0') }),
    fc.uint8Array({ maxLength: 5 }),
    fc.date(),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(text, tie('value'), { maxKeys: 3 }),
  ),
  meta: fc.dictionary(text, tie('value'), { maxKeys: 4 }),
}));
const optional = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(value, { nil: undefined });
const place = fc.maxSafeNat();
const documents: fc.Arbitrary<Document[]> = fc.array(
  fc.record({
    id: text,
    record: optional(fc.oneof(fc.constantFrom('a', 'b'), text)),
    source: fc.record({
      split: fc.constant('00000'),
      uri: fc.oneof(fc.constantFrom('a', 'b'), text),
      position: fc.record(
        { ordinal: place, byte: place, line: place, row: place, member: text, part: place },
        { requiredKeys: ['ordinal'] },
      ),
    }),
    bytes: contents,
    modality: optional(fc.constantFrom('text', 'image')),
    meta,
  }),
  { maxLength: 40 },
);
const compression = fc.constantFrom('zstd', 'snappy', 'gzip', 'none');
const cuts = fc.record({
  compression,
  fileBytes: fc.integer({ min: 1, max: 60_000 }),
  rowGroupBytes: fc.integer({ min: 1, max: 30_000 }),
});

describe('parquet sink', () => {
  it('writes one row a document, text as text and other bytes as bytes', async () => {
    const facts = { b: 10n ** 20n, a: [1, null, true], at: new Date(0), raw: Uint8Array.of(1, 2), bad: Number.NaN };
    const second: Document = {
      id: 'ü',
      record: 'row 7',
      source: {
        split: '00000',
        uri: 'x.tar!/m',
        position: { ordinal: 2 ** 53 - 1, byte: 512, row: 0, member: 'm', part: 3 },
      },
      bytes: Uint8Array.of(255, 0),
      modality: 'image',
      meta: {},
    };
    const { files, artefacts, counts } = await written([documentOf(Buffer.from('né\0"x"'), 0, facts), second]);
    expect(files.map(rowsOf)).toEqual([
      [
        {
          id: 'd0',
          record: null,
          uri: 'a.jsonl',
          text: 'né\0"x"',
          bytes: null,
          modality: null,
          ordinal: 0n,
          byte: null,
          line: 1n,
          row: null,
          member: null,
          record_part: null,
          meta: '{"a":[1,null,true],"at":"1970-01-01T00:00:00.000Z","b":100000000000000000000,"bad":null,"raw":{"base64":"AQI="}}',
        },
        {
          id: 'ü',
          record: 'row 7',
          uri: 'x.tar!/m',
          text: null,
          bytes: Uint8Array.of(255, 0),
          modality: 'image',
          ordinal: 9007199254740991n,
          byte: 512n,
          line: null,
          row: 0n,
          member: 'm',
          record_part: 3n,
          meta: '{}',
        },
      ],
    ]);
    expect(counts).toEqual({ documents: 2, bytes: 9 });
    expect(artefacts).toMatchObject([
      {
        path: 'documents/00000-000000.parquet',
        info: { format: 'sluice_documents_parquet_v1', split: '00000', documents: 2 },
      },
    ]);
  });

  it('gives back any documents, through a reader that is not ours, and the same bytes every time', async () => {
    await fc.assert(
      fc.asyncProperty(documents, cuts, async (all, options) => {
        const { files, counts } = await written(all, options);
        const rows = files.flatMap(rowsOf);
        expect(rows.map(contentOf)).toEqual(all.map(({ bytes }) => Buffer.from(bytes)));
        expect(rows).toEqual(
          all.map(({ id, record, source: { uri, position }, bytes, modality, meta: facts }) => {
            const { ordinal, member } = position;
            const [byte, line, row, record_part] = [position.byte, position.line, position.row, position.part].map(
              (value) => (value === undefined ? null : BigInt(value)),
            );
            return {
              id,
              record: record ?? null,
              uri,
              ...(isText(bytes)
                ? { text: Buffer.from(bytes).toString(), bytes: null }
                : { text: null, bytes: new Uint8Array(bytes) }),
              modality: modality ?? null,
              ordinal: BigInt(ordinal),
              byte,
              line,
              row,
              member: member ?? null,
              record_part,
              meta: metaJson(facts),
            };
          }),
        );
        expect(counts).toEqual({
          documents: all.length,
          bytes: all.reduce((sum, { bytes }) => sum + bytes.length, 0),
        });
        expect((await written(all, options)).files).toEqual(files);
      }),
      { numRuns: 25 },
    );
  });

  it('is read back by the parquet source, each kind of content from its column', async () => {
    const all = Array.from({ length: 300 }, (_, i) =>
      documentOf(i % 3 === 2 ? Uint8Array.of(255, i % 256) : Buffer.from(`text ${i}`), i, {
        score: i / 7,
        n: 2n ** 60n + BigInt(i),
      }),
    );
    const { root } = await written(all, { rowGroupBytes: 40_000, columns: { score: 'double', n: 'int64' } });
    const columns = { id: 'string', score: 'double', n: 'int64', line: 'int64' } as const;
    const folder = path.join(root, 'documents');
    const texts = await readAll(parquetSource(folder, { columns }));
    const binaries = await readAll(parquetSource(folder, { columns: { ...columns, bytes: 'binary' }, text: 'bytes' }));
    expect([texts.rejects.length, binaries.rejects.length]).toEqual([100, 200]);
    const back = [...texts.records, ...binaries.records].sort((a, b) => Number(a.meta.line - b.meta.line));
    expect(back.map(({ id, bytes, meta: facts }) => ({ id, bytes: Buffer.from(bytes), meta: facts }))).toEqual(
      all.map(({ id, bytes, source, meta: facts }) => ({
        id,
        bytes: Buffer.from(bytes),
        meta: { id, ...facts, line: BigInt(source.position.line ?? 0) },
      })),
    );
  });

  it('begins row groups and files where the next document would make one too large', async () => {
    const all = [100, 3000, 100, 100, 100].map((size, i) => documentOf(Buffer.alloc(size, 'x'), i));
    const groups = async (options: ParquetOptions): Promise<number[][]> =>
      (await written(all, options)).files.map((file) =>
        metadataOf(file).row_groups.map(({ num_rows }) => Number(num_rows)),
      );
    // Each document counts 1024 bytes besides its content, id, uri and metadata.
    expect(await groups({})).toEqual([[5]]);
    expect(await groups({ rowGroupBytes: 2300 })).toEqual([[1, 1, 2, 1]]);
    expect(await groups({ fileBytes: 2300 })).toEqual([[1], [1], [2], [1]]);
    expect(await groups({ rowGroupBytes: 1, fileBytes: 5200 })).toEqual([
      [1, 1],
      [1, 1, 1],
    ]);
  });

  it('names files in order and tells how many documents each has', async () => {
    const { artefacts } = await written(
      [0, 1, 2].map((i) => documentOf(Buffer.alloc(9), i)),
      { fileBytes: 1 },
    );
    expect(artefacts.map(({ path: file, info }) => [file, info['documents']])).toEqual(
      [0, 1, 2].map((i) => [`documents/00000-00000${i}.parquet`, 1]),
    );
  });

  it('writes nothing for a split that yields nothing', async () => {
    expect(await written([])).toMatchObject({ files: [], artefacts: [], counts: { documents: 0, bytes: 0 } });
  });

  it('writes a document that is far larger than a row group and a page', async () => {
    let state = 1;
    const large = Uint8Array.from({ length: 5_000_000 }, () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state >>> 24;
    });
    const all = [documentOf(Buffer.from('a'), 0), documentOf(large, 1), documentOf(Buffer.from('b'), 2)];
    for (const kind of ['none', 'zstd'] as const) {
      const { files } = await written(all, { rowGroupBytes: 10_000, compression: kind });
      const rows = files.flatMap(rowsOf);
      expect(rows.map(({ id }) => id)).toEqual(['d0', 'd1', 'd2']);
      expect(contentOf(rows[1] ?? {}).equals(large)).toBe(true);
    }
  });

  it('writes half of a surrogate pair as the replacement character, and escaped in meta', async () => {
    const document = { ...documentOf(Buffer.from('x'), 0, { a: '\ud800' }), id: 'a\udfff' };
    const { files } = await written([document]);
    expect(files.flatMap(rowsOf)).toMatchObject([{ id: 'a\ufffd', meta: '{"a":"\\ud800"}' }]);
  });

  it('names the order of typed columns among its options, for files depend on it', () => {
    const { options } = parquet('documents', { columns: { b: 'string', a: 'int64?' } });
    expect(options).toMatchObject({
      columns: [
        ['b', 'string'],
        ['a', 'int64?'],
      ],
    });
  });

  it('says what wrote a file, when to nobody, and what its columns mean', async () => {
    const { files } = await written([documentOf(Buffer.from('a'))]);
    const { created_by, key_value_metadata, schema } = metadataOf(files[0]!);
    expect(created_by).toMatch(/^sluice version \d+\.\d+\.\d+$/);
    expect(key_value_metadata).toEqual([
      { key: 'format', value: 'sluice_documents_parquet_v1' },
      { key: 'split', value: '00000' },
    ]);
    expect(
      schema.slice(1).map(({ name, type, logical_type, repetition_type }) => {
        return `${name} ${logical_type?.type ?? type} ${repetition_type}`;
      }),
    ).toEqual([
      'id STRING REQUIRED',
      'record STRING OPTIONAL',
      'uri STRING REQUIRED',
      'text STRING OPTIONAL',
      'bytes BYTE_ARRAY OPTIONAL',
      'modality STRING OPTIONAL',
      'ordinal INT64 REQUIRED',
      'byte INT64 OPTIONAL',
      'line INT64 OPTIONAL',
      'row INT64 OPTIONAL',
      'member STRING OPTIONAL',
      'record_part INT64 OPTIONAL',
      'meta JSON REQUIRED',
    ]);
  });

  it('keeps least and greatest values of what is short, and of nothing else', async () => {
    const boundsOf = async (all: Document[]): Promise<unknown[]> => {
      const { files } = await written(all, { columns: { n: 'int64?' } });
      const [group] = metadataOf(files[0]!).row_groups;
      return group!.columns.flatMap(({ meta_data: column }) =>
        column?.statistics?.min_value === undefined
          ? []
          : [[column.path_in_schema[0], column.statistics.min_value, column.statistics.max_value]],
      );
    };
    const all = [3, 1, 2].map((i) => documentOf(Buffer.from(`${i}`), i, { n: -i }));
    expect(await boundsOf(all)).toEqual([
      ['id', 'd1', 'd3'],
      ['uri', 'a.jsonl', 'a.jsonl'],
      ['ordinal', 1n, 3n],
      ['line', 2n, 4n],
      ['n', -3n, -1n],
    ]);
    const long = { ...documentOf(Buffer.from('x'), 7), id: 'x'.repeat(2000) };
    expect(((await boundsOf([...all, long])) as string[][]).map(([name]) => name)).toEqual([
      'uri',
      'ordinal',
      'line',
      'n',
    ]);
  });

  it.each([
    [{ fileBytes: 0 }, 'BAD_FILE_BYTES'],
    [{ fileBytes: 1.5 }, 'BAD_FILE_BYTES'],
    [{ rowGroupBytes: -1 }, 'BAD_ROW_GROUP_BYTES'],
    [{ compression: 'lz4' }, 'BAD_COMPRESSION'],
    [{ compression: 'toString' }, 'BAD_COMPRESSION'],
    [{ columns: { Text: 'string' } }, 'RESERVED_COLUMN'],
    [{ columns: { '': 'string' } }, 'RESERVED_COLUMN'],
    [{ columns: { lang: 'text' } }, 'UNKNOWN_KIND'],
    [{ columns: { tags: 'list<string>' } }, 'UNKNOWN_KIND'],
  ])('refuses %j', (options, code) => {
    expect(() => parquet('documents', options as ParquetOptions)).toThrow(
      expect.objectContaining({ name: 'PipelineError', code }),
    );
  });

  it('refuses a document that the format has no sizes for', async () => {
    // Never touched, so the system gives no memory to it.
    const huge = documentOf(new Uint8Array(2 ** 31), 4);
    await expect(written([huge])).rejects.toMatchObject({
      code: 'DOCUMENT_TOO_LARGE',
      path: 'a.jsonl',
      position: { ordinal: 4 },
    });
  });
});

describe('typed columns of the parquet sink', () => {
  const int = (bits: number) => fc.bigInt({ min: -(2n ** BigInt(bits - 1)), max: 2n ** BigInt(bits - 1) - 1n });
  const values = fc.record(
    {
      s: fc.oneof(text, fc.constantFrom('de', 'en')),
      b: fc.uint8Array({ maxLength: 9 }),
      ok: fc.boolean(),
      d: fc.oneof(fc.double(), fc.constantFrom(-0, Number.NaN, Number.POSITIVE_INFINITY)),
      i: int(32).map(Number),
      n: fc.oneof(int(64), fc.maxSafeInteger()),
      t: fc.date({ noInvalidDate: true }),
    },
    { requiredKeys: [] },
  );

  it('hold exactly what meta holds, and null where it holds nothing', async () => {
    const columns = {
      s: 'string?',
      b: 'binary?',
      ok: 'bool?',
      d: 'double?',
      i: 'int32?',
      n: 'int64?',
      t: 'timestamp?',
    } as const;
    await fc.assert(
      fc.asyncProperty(fc.array(values, { maxLength: 60 }), cuts, async (list, options) => {
        const all = list.map((facts, i) => documentOf(Buffer.from('x'), i, facts as Document['meta']));
        const { files } = await written(all, { ...options, columns });
        const rows = files.flatMap(rowsOf);
        expect(rows.map(({ meta: json }) => json)).toEqual(all.map(({ meta: facts }) => metaJson(facts)));
        expect(rows.map(({ s, b, ok, d, i, n, t }) => ({ s, b, ok, d, i, n, t }))).toEqual(
          list.map(({ s, b, ok, d, i, n, t }) => ({
            s: s ?? null,
            b: b ?? null,
            ok: ok ?? null,
            d: d ?? null,
            i: i ?? null,
            n: n === undefined ? null : BigInt(n),
            t: t?.getTime() ?? null,
          })),
        );
      }),
      { numRuns: 25 },
    );
  });

  it('may be declared never to be null', async () => {
    const columns = { s: 'string', ok: 'bool', n: 'int64' } as const;
    const all = [documentOf(Buffer.from('x'), 0, { s: 'a', ok: true, n: 1 })];
    const { files } = await written(all, { columns, compression: 'snappy' });
    expect(metadataOf(files[0]!).schema.slice(-3)).toMatchObject(
      ['s', 'ok', 'n'].map((name) => ({ name, repetition_type: 'REQUIRED' })),
    );
    expect(await hyparquetRows(files[0]!)).toMatchObject([{ id: 'd0', text: 'x', s: 'a', ok: true, n: 1n }]);
    await expect(written([documentOf(Buffer.from('x'), 7)], { columns })).rejects.toMatchObject({
      code: 'COLUMN_TYPE',
      message: "meta.s of document 'd7' is null or absent, and is declared string",
      hint: "declare it 'string?' to allow that",
    });
  });

  it.each<[Exclude<ScalarKind, 'file'>, MetaValue, string]>([
    ['string', 1, 'the number 1'],
    ['double', '1', 'the string 1'],
    ['double', 1n, 'the bigint 1'],
    ['int32', 2 ** 31, 'the number 2147483648'],
    ['int32', 1.5, 'the number 1.5'],
    ['int64', 2n ** 63n, 'the bigint 9223372036854775808'],
    ['int64', 2 ** 53, 'the number 9007199254740992'],
    ['bool', 0, 'the number 0'],
    ['binary', 'x', 'the string x'],
    ['timestamp', new Date(Number.NaN), 'no valid date'],
    ['timestamp', 0, 'the number 0'],
    ['string', ['a'], 'a list'],
    ['string', { a: 1 }, 'an object'],
    ['string', Uint8Array.of(1), '1 bytes'],
    ['string', new Date(0), 'the date 1970-01-01T00:00:00.000Z'],
  ])('refuse for %s the value %s', async (kind, value, told) => {
    const columns = { x: `${kind}?` as const };
    await expect(written([documentOf(Buffer.from('x'), 3, { x: value })], { columns })).rejects.toMatchObject({
      name: 'PipelineError',
      code: 'COLUMN_TYPE',
      message: `meta.x of document 'd3' is ${told}, and is declared ${kind}?`,
      path: 'a.jsonl',
      position: { ordinal: 3 },
    });
  });

  it('take nothing from what every object has', async () => {
    const { files } = await written([documentOf(Buffer.from('x'))], {
      columns: Object.fromEntries([['constructor', 'string?']]),
    });
    expect(rowsOf(files[0]!)).toMatchObject([{ constructor: null }]);
  });
});

describe('a run with a parquet sink', () => {
  it('is verified, and is the same on any number of workers', async () => {
    const pipeline = () =>
      definePipeline('documents', numbers([30, 0, 7]))
        .pipe(map((document) => document))
        .to(parquet('documents', { rowGroupBytes: 8000, fileBytes: 25_000, compression: 'snappy' }));
    const folder = await temporaryFolder();
    const outputs = [path.join(folder, '1'), path.join(folder, '2')];
    for (const [i, output] of outputs.entries()) await run(pipeline(), { output, workers: i + 1 });
    const [one, two] = await Promise.all(outputs.map((output) => filesOf(output, 'documents')));
    expect([...one!.keys()]).toEqual(['00000-000000.parquet', '00000-000001.parquet', '00002-000000.parquet']);
    expect(two).toEqual(one);
    expect([...one!.values()].flatMap(rowsOf).map(({ text: content }) => content)).toEqual(
      [...Array(30).keys()].map((i) => `00000:${i}`).concat([...Array(7).keys()].map((i) => `00002:${i}`)),
    );
    expect(await verifyOutput(outputs[0]!)).toMatchObject({ ok: true, files: 3, totals: { documents: 37 } });
  });

  it('fails where a document is not as declared, and says which', async () => {
    const pipeline = definePipeline('documents', numbers([3]))
      .pipe(map((document) => document))
      .to(parquet('documents', { columns: { lang: 'string' } }));
    const output = path.join(await temporaryFolder(), 'out');
    await expect(run(pipeline, { output })).rejects.toMatchObject({ code: 'COLUMN_TYPE', path: 'numbers/00000' });
  });
});
