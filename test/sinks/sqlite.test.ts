import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import Database from 'better-sqlite3';
import fc from 'fast-check';
import { map } from 'rxjs';
import { definePipeline } from 'sluice';
import { describe, expect, it } from 'vitest';
import { checkTables, type ExpectedTables } from '../../src/formats/checkTables.ts';
import type { Document, Patches } from '../../src/records.ts';
import { run } from '../../src/run/run.ts';
import { verifyOutput } from '../../src/run/verify.ts';
import { metaJson } from '../../src/sinks/metaJson.ts';
import { type SqliteOptions, sqlite } from '../../src/sinks/sqlite.ts';
import { numbers } from '../support/lines.ts';
import { divided, filesOf, patchesOf, type Sketch, sketches, temporaryFolder, type Written, writeAll } from './flow.ts';

type Row = Record<string, unknown>;

/** Rows of a query; all integers as bigint, so that none is taken for another. */
function query(file: string, sql: string): Row[] {
  const db = new Database(file, { readonly: true });
  try {
    return db.prepare<[], Row>(sql).safeIntegers().all();
  } finally {
    db.close();
  }
}

const documentOf = (bytes: Uint8Array, ordinal = 0, more: Partial<Document> = {}): Document => ({
  id: `d${ordinal}`,
  source: { split: '00000', uri: 'a.jsonl', position: { ordinal, line: ordinal + 1 } },
  bytes,
  meta: {},
  ...more,
});

interface Output extends Written {
  readonly files: Map<string, Buffer>;
  rows(sql: string): Row[];
}

async function written(values: Iterable<Document | Patches>, options: SqliteOptions = {}): Promise<Output> {
  const all = await writeAll([sqlite('tables', options)], values);
  return {
    ...all,
    files: await filesOf(all.root, 'tables'),
    rows: (sql) => all.artefacts.flatMap(({ path: file }) => query(path.join(all.root, file), sql)),
  };
}

async function complaints({ root, artefacts }: Written, change: Partial<ExpectedTables> = {}): Promise<string[]> {
  const found: string[] = [];
  for (const { path: file, info } of artefacts) {
    const expected = { rows: undefined, patches: undefined, ...info, ...change } as unknown as ExpectedTables;
    await checkTables(path.join(root, file), expected, (what) => found.push(what));
  }
  return found;
}

describe('sqlite sink of documents', () => {
  it('writes a row for each, with a number, typed columns, and integers that are exact', async () => {
    const columns = {
      n: 'int64',
      ok: 'bool?',
      at: 'timestamp?',
      d: 'double',
      raw: 'binary?',
      'select "x"': 'string?',
    } as const;
    const meta = {
      n: 2n ** 62n + 1n,
      ok: true,
      at: new Date(-5),
      d: -0.1,
      raw: Uint8Array.of(0, 255),
      'select "x"': 'é\0z',
    };
    const second = documentOf(Uint8Array.of(255, 0), 7, {
      record: 'row 7',
      modality: 'image',
      meta: { n: -1, d: Number.NaN },
      source: {
        split: '00000',
        uri: 'x.tar!/m',
        position: { ordinal: 2 ** 53 - 1, byte: 512, row: 0, member: 'm', part: 3 },
      },
    });
    const output = await written([documentOf(Buffer.from('né\0"x"'), 0, { meta }), second], { columns });
    expect(output.artefacts).toMatchObject([
      {
        path: 'tables/00000-000000.db',
        info: { format: 'sluice_documents_sqlite_v1', split: '00000', shard: 0, documents: 2, bytes: 9 },
      },
    ]);
    expect(output.counts).toEqual({ documents: 2, bytes: 9 });
    expect(output.rows('SELECT * FROM documents ORDER BY document')).toEqual([
      {
        document: 0n,
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
        meta: metaJson(meta),
        n: 4611686018427387905n,
        ok: 1n,
        at: -5n,
        d: -0.1,
        raw: Buffer.from([0, 255]),
        'select "x"': 'é\0z',
      },
      {
        document: 1n,
        id: 'd7',
        record: 'row 7',
        uri: 'x.tar!/m',
        text: null,
        bytes: Buffer.from([255, 0]),
        modality: 'image',
        ordinal: 9007199254740991n,
        byte: 512n,
        line: null,
        row: 0n,
        member: 'm',
        record_part: 3n,
        meta: '{"d":null,"n":-1}',
        n: -1n,
        ok: null,
        at: null,
        // SQLite has no NaN.
        d: null,
        raw: null,
        'select "x"': null,
      },
    ]);
    expect(output.rows('SELECT key, value FROM meta ORDER BY key')).toEqual([
      { key: 'format', value: 'sluice_documents_sqlite_v1' },
      { key: 'shard', value: '0' },
      { key: 'split', value: '00000' },
    ]);
    expect(await complaints(output)).toEqual([]);
  });

  it('gives back any documents, and the same bytes every time', async () => {
    const text = fc.string({ unit: 'binary', maxLength: 20 });
    const contents = fc.oneof(
      fc.uint8Array({ maxLength: 400 }),
      text.map((string) => Buffer.from(string)),
    );
    const documents = fc.array(contents, { maxLength: 60 }).map((all) => all.map((bytes, i) => documentOf(bytes, i)));
    const options = fc.record({ fileBytes: fc.integer({ min: 4096, max: 60_000 }) });
    await fc.assert(
      fc.asyncProperty(documents, options, async (all, chosen) => {
        const output = await written(all, chosen);
        const rows = output.rows(
          'SELECT id, coalesce(CAST(text AS BLOB), bytes) AS content FROM documents ORDER BY document',
        );
        expect(rows).toEqual(all.map(({ id, bytes }) => ({ id, content: Buffer.from(bytes) })));
        expect((await written(all, chosen)).files).toEqual(output.files);
        expect(await complaints(output)).toEqual([]);
      }),
      { numRuns: 12 },
    );
  });

  it('begins a file where a document would make one too large, and numbers its rows anew', async () => {
    // Each counts 1024 bytes besides its own.
    const all = [10, 3000, 10, 10, 10].map((size, i) => documentOf(Buffer.alloc(size, 'x'), i));
    const output = await written(all, { fileBytes: 4200 });
    expect(output.artefacts.map(({ path: file, info }) => [file, info['documents']])).toEqual([
      ['tables/00000-000000.db', 1],
      ['tables/00000-000001.db', 1],
      ['tables/00000-000002.db', 3],
    ]);
    expect(output.rows('SELECT document, id FROM documents')).toEqual([
      { document: 0n, id: 'd0' },
      { document: 0n, id: 'd1' },
      { document: 0n, id: 'd2' },
      { document: 1n, id: 'd3' },
      { document: 2n, id: 'd4' },
    ]);
  });

  it('writes nothing for a split that yields nothing', async () => {
    expect(await written([])).toMatchObject({ artefacts: [], counts: { documents: 0, bytes: 0 } });
  });

  it('refuses a document that is longer than text can be', async () => {
    // Never touched, so the system gives no memory to it.
    const huge = documentOf(new Uint8Array(2 ** 29), 4);
    await expect(written([huge])).rejects.toMatchObject({ code: 'DOCUMENT_TOO_LARGE', position: { ordinal: 4 } });
  });

  it.each([
    [{ columns: { Text: 'string' } }, 'RESERVED_COLUMN'],
    [{ columns: { document: 'string' } }, 'RESERVED_COLUMN'],
    [{ columns: { a: 'string', A: 'string' } }, 'RESERVED_COLUMN'],
    [{ columns: { 'a\0b': 'string' } }, 'RESERVED_COLUMN'],
    [{ columns: { a: 'list<string>' } }, 'UNKNOWN_KIND'],
    [{ fileBytes: 100 }, 'BAD_FILE_BYTES'],
    [{ into: 'a/b.db' }, 'BAD_NAME'],
  ])('refuses %j', (options, code) => {
    expect(() => sqlite('tables', options as SqliteOptions)).toThrow(expect.objectContaining({ code }));
  });

  it('takes as many typed columns as a statement can have values', async () => {
    const names = Array.from({ length: 1500 }, (_, i) => `c${i}`);
    const meta = Object.fromEntries(names.map((name, i) => [name, i]));
    const columns = Object.fromEntries(names.map((name) => [name, 'int32' as const]));
    const output = await written([documentOf(Buffer.from('x'), 0, { meta })], { columns });
    expect(output.rows('SELECT c0, c1499 FROM documents')).toEqual([{ c0: 0n, c1499: 1499n }]);
  });
});

describe('sqlite sink of patches', () => {
  const three: Sketch[] = [
    { segments: [[3, 4], [2]] },
    { id: 'none', segments: [[]] },
    { segments: [[5], [1]], derived: 'utf-16le -> utf-8' },
  ];
  const CONTENT = 'SELECT bytes, prominence, entropy, coherence, embedding FROM patches ORDER BY patch';
  const contentOf = (values: readonly Patches[]): Row[] =>
    values.flatMap(({ lengths, bytes, prominence, entropy, coherence, embeddings, dim }) => {
      let at = 0;
      return Array.from(lengths, (length, i): Row => {
        at += length;
        return {
          bytes: Buffer.from(bytes.subarray(at - length, at)),
          prominence: prominence[i],
          entropy: entropy[i],
          coherence: coherence[i],
          embedding: Buffer.from(embeddings.slice(i * dim, (i + 1) * dim).buffer),
        };
      });
    });

  it('writes a row for each patch, and a row for each document', async () => {
    const values = patchesOf(three, 2);
    const output = await written(values);
    expect(output.artefacts).toMatchObject([
      { info: { format: 'sluice_patches_sqlite_v1', shard: 0, rows: 3, documents: 3, patches: 5, bytes: 15 } },
    ]);
    expect(output.counts).toEqual({ documents: 3, patches: 5, bytes: 15 });
    expect(output.rows(CONTENT)).toEqual(contentOf(values));
    const patches = output.rows(
      'SELECT patch, document, patch_index, segment, modality, derived, "offset" FROM patches',
    );
    const derived = 'utf-16le -> utf-8';
    expect(patches.map((row) => Object.values(row))).toEqual([
      [0n, 0n, 0n, 0n, 'text', null, 0n],
      [1n, 0n, 1n, 0n, 'text', null, 3n],
      [2n, 0n, 2n, 1n, 'code', null, 7n],
      [3n, 2n, 0n, 0n, 'text', derived, 0n],
      [4n, 2n, 1n, 1n, 'code', derived, 0n],
    ]);
    const documents = output.rows('SELECT * FROM documents');
    expect(documents.map((row) => Object.values(row))).toEqual([
      [0n, 'doc-0', null, 'in/0.txt', 0n, 1n, 'text', null, 3n, 9n, 2n, 0n, null, 1n, null, null, null, '{"n":0}'],
      [1n, 'none', null, 'in/1.txt', 0n, 1n, 'text', null, 0n, 0n, 2n, 1n, null, 2n, null, null, null, '{"n":1}'],
      [2n, 'doc-2', null, 'in/2.txt', 0n, 1n, 'text', derived, 2n, 6n, 2n, 2n, null, 3n, null, null, null, '{"n":2}'],
    ]);
  });

  it('loses nothing, writes the same bytes however the flow is divided, and passes its own check', async () => {
    const at = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 });
    const options = fc.record({ fileBytes: fc.integer({ min: 4096, max: 40_000 }) });
    await fc.assert(
      fc.asyncProperty(sketches({ maxLength: 300, maxPatches: 90 }), at, options, async (documents, cuts, chosen) => {
        const values = patchesOf(documents);
        const whole = await written(values, chosen);
        expect((await written(divided(values, cuts), chosen)).files).toEqual(whole.files);
        expect(whole.rows(CONTENT)).toEqual(contentOf(values));
        expect(await complaints(whole)).toEqual([]);
        expect(whole.rows('SELECT id FROM documents WHERE part = 0').length).toBe(documents.length);
      }),
      { numRuns: 12 },
    );
  });

  it('goes on with a document in the next file where it does not fit, as a further part', async () => {
    const output = await written(patchesOf([{ segments: [[1]] }, { segments: [Array(100).fill(7)] }]), {
      fileBytes: 16_384,
    });
    const columns = 'SELECT id, part, complete, num_patches FROM documents';
    const rows = output.rows(columns).map((row) => Object.values(row));
    expect(rows.map(([id, part, complete]) => [id, part, complete])).toEqual([
      ['doc-0', 0n, 1n],
      ['doc-1', 0n, 0n],
      ['doc-1', 1n, 0n],
      ['doc-1', 2n, 1n],
    ]);
    expect(rows.slice(1).reduce((sum, row) => sum + Number(row[3]), 0)).toBe(100);
    expect(output.artefacts.map(({ info }) => [info['rows'], info['documents']])).toEqual([
      [2, 2],
      [1, 0],
      [1, 0],
    ]);
    const indexes = output.rows("SELECT patch_index FROM patches JOIN documents USING (document) WHERE id = 'doc-1'");
    expect(indexes.map(({ patch_index }) => patch_index)).toEqual(Array.from({ length: 100 }, (_, i) => BigInt(i)));
  });

  it('ends a document that was broken off where the next one begins', async () => {
    const [first, second] = patchesOf([{ segments: [[1, 2]] }, { segments: [[3]] }]);
    const output = await written([{ ...first!, last: false }, second!]);
    const rows = output.rows('SELECT id, complete, num_patches FROM documents').map((row) => Object.values(row));
    expect(rows).toEqual([
      ['doc-0', 0n, 2n],
      ['doc-1', 1n, 1n],
    ]);
    expect(await complaints(output)).toEqual([]);
  });

  it('refuses a typed column of a name that its table of documents has', async () => {
    const options: SqliteOptions = { columns: { embed_dim: 'string?' } };
    await expect(written(patchesOf(three), options)).rejects.toMatchObject({ code: 'RESERVED_COLUMN' });
  });
});

describe('one database for a whole run', () => {
  it('takes the place of those of the splits, with numbers that go on', async () => {
    const pipeline = () =>
      definePipeline('tables', numbers([30, 0, 7]))
        .pipe(map((document: Document) => document))
        .to(sqlite('tables', { fileBytes: 8192, into: 'documents.db' }));
    const folder = await temporaryFolder();
    const outputs = [path.join(folder, '1'), path.join(folder, '2')];
    for (const [i, output] of outputs.entries()) await run(pipeline(), { output, workers: i + 1 });
    const [one, two] = await Promise.all(outputs.map((output) => readFile(path.join(output, 'documents.db'))));
    expect(two?.equals(one!)).toBe(true);
    expect((await filesOf(outputs[0]!, 'tables')).size).toBe(0);
    const file = path.join(outputs[0]!, 'documents.db');
    expect(
      query(file, 'SELECT document, text FROM documents ORDER BY document').map((row) => Object.values(row)),
    ).toEqual(
      [...Array.from({ length: 30 }, (_, i) => `00000:${i}`), ...Array.from({ length: 7 }, (_, i) => `00002:${i}`)].map(
        (text, i) => [BigInt(i), text],
      ),
    );
    expect(query(file, 'SELECT key, value FROM meta ORDER BY key')).toEqual([
      { key: 'files', value: '6' },
      { key: 'format', value: 'sluice_documents_sqlite_v1' },
    ]);
    expect(await verifyOutput(outputs[0]!)).toMatchObject({ ok: true, findings: [] });
  });

  it('holds patches of several files under one count, each with its document', async () => {
    const sketched = [{ segments: [Array(60).fill(7)] }, { segments: [[1, 2]] }, { segments: [Array(60).fill(5)] }];
    const values = patchesOf(sketched);
    const sink = sqlite('tables', { fileBytes: 8192, into: 'patches.db' });
    const parts = await writeAll([sink], values);
    expect(parts.artefacts.length).toBeGreaterThan(3);
    expect(parts.artefacts.map(({ info }) => info['temporary'])).toEqual(parts.artefacts.map(() => true));
    const file = path.join(parts.root, 'patches.db');
    const published: unknown[] = [];
    await sink.after?.[0]?.run({
      root: parts.root,
      splits: [],
      task: '0',
      signal: new AbortController().signal,
      commitsOf: () => [{ split: '00000', artefacts: parts.artefacts, counts: {}, rejects: 0 }],
      file: async () => ({
        temporary: file,
        write: async () => {},
        publish: async (info) => {
          published.push(info);
          return { path: 'patches.db', bytes: 0, sha256: '', info };
        },
      }),
    });
    expect(published).toMatchObject([{ format: 'sluice_patches_sqlite_v1', documents: 3, patches: 122 }]);
    const found: string[] = [];
    await checkTables(file, published[0] as ExpectedTables, (what) => found.push(what));
    expect(found).toEqual([]);
    expect(query(file, 'SELECT max(patch) AS last, count(*) AS n FROM patches')).toEqual([{ last: 121n, n: 122n }]);
    const ids = query(file, 'SELECT DISTINCT id FROM patches JOIN documents USING (document) ORDER BY patch');
    expect(ids.map(({ id }) => id)).toEqual(['doc-0', 'doc-1', 'doc-2']);
  });
});

describe('the check of a database', () => {
  async function found(sql: string, values: Iterable<Document | Patches>, change: Partial<ExpectedTables> = {}) {
    const output = await written(values);
    const db = new Database(path.join(output.root, output.artefacts[0]!.path));
    db.exec(sql);
    db.close();
    return complaints(output, change);
  }
  const patches = () => patchesOf([{ segments: [[3, 4], [2]] }, { segments: [[5]] }], 2);
  const documents = () => [documentOf(Buffer.from('ab')), documentOf(Uint8Array.of(255), 1)];

  it.each<[string, string]>([
    [
      'UPDATE documents SET num_patches = 7 WHERE document = 1',
      'has another number of patches than it tells in document 1',
    ],
    ['UPDATE patches SET bytes = zeroblob(9) WHERE patch = 0', 'has other bytes than it tells in document 0'],
    ['UPDATE patches SET embedding = zeroblob(4) WHERE patch = 1', 'has an embedding of another width in patch 1'],
    ["UPDATE patches SET bytes = x'' WHERE patch = 2", 'has no bytes in patch 2'],
    ['UPDATE patches SET prominence = -1 WHERE patch = 2', 'has a number that cannot be in patch 2'],
    ['UPDATE patches SET coherence = 9e999 WHERE patch = 2', 'has a number that cannot be in patch 2'],
    ['UPDATE patches SET document = 9 WHERE patch = 3', 'has no document for patch 3'],
    ['UPDATE patches SET patch_index = 5 WHERE patch = 1', 'has patches out of order: patch 1'],
    ['UPDATE documents SET document = 5 WHERE document = 1', 'does not count documents from 0 on: document 5'],
    ["UPDATE documents SET meta = '{' WHERE document = 1", 'has no metadata in document 1'],
    [
      "UPDATE meta SET value = 'x' WHERE key = 'format'",
      "says that it is 'x', and it should be 'sluice_patches_sqlite_v1'",
    ],
    ['DELETE FROM patches WHERE patch = 3', 'holds 3 patches, and was committed with 4'],
  ])('finds patches after %s', async (sql, what) => {
    expect(await found(sql, patches())).toContain(what);
  });

  it.each<[string, string]>([
    ["UPDATE documents SET bytes = x'00' WHERE document = 0", 'has not one content in document 0'],
    ['UPDATE documents SET text = NULL WHERE document = 0', 'has not one content in document 0'],
    ["UPDATE documents SET text = 'ü' WHERE document = 0", ''],
    ["UPDATE documents SET text = 'abc' WHERE document = 0", 'holds 4 bytes, and was committed with 3'],
    ['DELETE FROM documents WHERE document = 1', 'holds 1 documents, and was committed with 2'],
  ])('finds documents after %s', async (sql, what) => {
    expect((await found(sql, documents())).join('; ')).toContain(what);
  });

  it('finds damage that SQLite tells of', async () => {
    const output = await written(documents());
    const file = path.join(output.root, output.artefacts[0]!.path);
    const bytes = await readFile(file);
    // The end of the last page, where the index has its first entry.
    bytes.fill('x', bytes.length - 2, bytes.length - 1);
    await writeFile(file, bytes);
    expect((await complaints(output)).join()).toContain('is damaged');
  });

  it('tells that a file is no database, or lacks a table', async () => {
    await expect(found('DROP TABLE documents', documents())).rejects.toMatchObject({ code: 'BAD_DATABASE' });
  });
});
