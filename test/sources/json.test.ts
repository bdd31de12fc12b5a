import { closeSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { withRun } from '../../src/run/context.ts';
import { json, jsonl } from '../../src/sources/index.ts';
import { bytesInUse, codes, content, plan, readAll, temporaryFolder, text } from './helpers.ts';

function file(name: string, bytes: string | Uint8Array): string {
  const path = join(temporaryFolder(), name);
  writeFileSync(path, bytes);
  return path;
}

const columns = { id: 'string', text: 'string' } as const;
const record = fc.record({
  id: fc.string(),
  text: fc.string({ unit: 'grapheme', maxLength: 60 }),
  other: fc.jsonValue({ maxDepth: 3 }),
});
const gap = fc.constantFrom('', ' ', '\n  ', '\r\n\t');

describe('JSON', () => {
  it('gives a document for every element of its array, at its exact place', async () => {
    const path = file(
      'x.json',
      '\ufeff[\n  {"id": "a", "text": "one"},\n{"text":"[zwölf\\"]","id":"b"}\n, {"id":"c","text":""} ]\n',
    );
    const { records, rejects } = await readAll(json(path, { columns }));
    expect(rejects).toEqual([]);
    expect(
      records.map(({ id, bytes, source: { uri, position } }) => [id, Buffer.from(bytes).toString(), uri, position]),
    ).toEqual([
      ['a', 'one', 'x.json', { ordinal: 0, byte: 7, row: 0 }],
      ['b', '[zwölf"]', 'x.json', { ordinal: 1, byte: 35, row: 1 }],
      ['c', '', 'x.json', { ordinal: 2, byte: 68, row: 2 }],
    ]);
    const bytes = readFileSync(path);
    for (const { source } of records) expect(bytes[source.position.byte ?? 0]).toBe('{'.charCodeAt(0));
    expect((await readAll(json(path))).records.map(({ id }) => id)).toEqual(['x.json#0', 'x.json#1', 'x.json#2']);
  });

  it('gives the rows that JSON.parse gives, however it is written, wrapped and cut', async () => {
    const shape = fc.record({
      rows: fc.array(fc.tuple(record, gap, gap), { minLength: 1, maxLength: 15 }),
      wrap: fc.constantFrom(
        undefined,
        { before: '{"data": ', after: ', "n": [1, [2], {"x":"]}"}], "e": []}', at: undefined },
        { before: '{"a":[{"text":0}],"d\\u0061ta" : {"x":{},"rows":', after: '}, "z":null }', at: 'data.rows' },
      ),
      splitBytes: fc.integer({ min: 1, max: 600 }),
    });
    await fc.assert(
      fc.asyncProperty(shape, async ({ rows, wrap, splitBytes }) => {
        const array = rows.map(([row, before, after], index) => {
          const written = JSON.stringify(row, undefined, index % 3 === 0 ? 1 : undefined);
          return `${before}${written}${after}`;
        });
        const all = `${wrap?.before ?? ''}[${array.join(',')}]${wrap?.after ?? ''}`;
        const path = file('x.json', all);
        const source = json(path, { columns, ...(wrap?.at === undefined ? {} : { at: wrap.at }) });
        const whole = await readAll(source, 1 << 30);
        expect(codes(whole)).toEqual([]);
        expect(whole.splits).toHaveLength(1);
        expect(whole.records.map(({ id, bytes }) => [id, Buffer.from(bytes).toString()])).toEqual(
          rows.map(([row]) => [row.id, row.text]),
        );
        const cut = await readAll(source, splitBytes);
        expect(content(cut.records)).toEqual(content(whole.records));
        expect(cut.splits.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(Buffer.byteLength(all));
      }),
      { numRuns: 150 },
    );
    const many = `{"rows":[${'{"text":"a"},'.repeat(999)}{"text":"a"}]}`;
    expect((await readAll(json(file('x.json', many)), 1000)).splits).toHaveLength(13);
  });

  it.each([
    ['x.json.gz', (bytes: Buffer) => gzipSync(bytes)],
    ['x.json.zst', (bytes: Buffer) => zstdCompressSync(bytes)],
  ])('%s gives the same as the plain file', async (name, compress) => {
    const bytes = Buffer.from(
      JSON.stringify({ train: Array.from({ length: 9000 }, (_, n) => ({ id: `r${n}`, text: `text\n"${n}"` })) }),
    );
    const plain = await readAll(json(file('x.json', bytes), { columns }));
    const packed = await readAll(json(file(name, compress(bytes)), { columns }), 1000);
    expect(plain.records).toHaveLength(9000);
    expect(packed.splits).toHaveLength(1);
    expect(packed.records.map(({ bytes, source: { position } }) => [bytes, position])).toEqual(
      plain.records.map(({ bytes, source: { position } }) => [bytes, position]),
    );
  });

  it('agrees with JSON Lines about every value', async () => {
    const rows = [
      '{"text":"a","n":9007199254740993,"tags":["x"],"at":"2024-02-29"}',
      '{"text":"b","n":"-9223372036854775808","tags":[],"at":null}',
      '{"text":"c","n":1.5,"tags":[]}',
      '{"text":"d","n":1,"tags":[3]}',
      '["e"]',
      '7',
      '{"text":"f","n":1,"tags":[],"tags":["last"]}',
    ];
    const kinds = { text: 'string', n: 'int64', tags: 'list<string>', at: 'timestamp?' } as const;
    const array = await readAll(json(file('x.json', `[${rows.join(' ,\n')}]`), { columns: kinds }));
    const lines = await readAll(jsonl(file('x.jsonl', rows.join('\n')), { columns: kinds }));
    expect(array.records.map(({ bytes, meta }) => [bytes, meta])).toEqual(
      lines.records.map(({ bytes, meta }) => [bytes, meta]),
    );
    expect(array.records).toHaveLength(3);
    expect(codes(array)).toEqual(codes(lines));
  });

  it('may be JSON Lines under another name, which are cut as such', async () => {
    const lines = Array.from({ length: 50 }, (_, n) => `{"text":"${n}","messages":[{"text":"no row"}]}\n`).join('');
    const named = await readAll(json(file('x.json', lines)), 300);
    const usual = await readAll(jsonl(file('x.jsonl', lines)), 300);
    expect(named.splits.length).toBeGreaterThan(4);
    expect(named.records.map(text)).toEqual(usual.records.map(text));
    expect(named.records.map(({ source }) => source.position)).toEqual(
      usual.records.map(({ source }) => source.position),
    );
    expect((await readAll(json(file('x.json.gz', gzipSync(lines))))).records).toHaveLength(50);
  });

  it('is read from a folder by its name', async () => {
    const root = temporaryFolder();
    for (const name of ['a.json', 'b.jsonl', 'c.txt']) writeFileSync(join(root, name), `[{"text":"${name}"}]`);
    expect((await readAll(json(root))).records.map(text)).toEqual(['a.json']);
    expect((await readAll(json(root, { include: '*.txt' }))).records.map(text)).toEqual(['c.txt']);
  });

  it('passes over rows that conditions exclude', async () => {
    const rows = Array.from({ length: 30 }, (_, n) => ({ text: `${n}`, n }));
    const kinds = { text: 'string', n: 'int32' } as const;
    const source = json(file('x.json', JSON.stringify(rows)), { columns: kinds, where: { n: { in: [3, 20] } } });
    for (const splitBytes of [50, 1 << 30]) {
      const { records, rejects } = await readAll(source, splitBytes);
      expect(rejects).toEqual([]);
      expect(records.map(({ source: { position } }) => position.row)).toEqual([3, 20]);
    }
  });

  it('says in its options what decides its content', () => {
    const { options } = json('in', { at: 'data.rows', where: {} });
    expect(options).toMatchObject({ at: ['data', 'rows'], text: 'text' });
    expect(JSON.parse(JSON.stringify(options))).toEqual(options);
    expect(() => json('in', { at: 'data..rows' })).toThrow(expect.objectContaining({ code: 'BAD_PATH' }));
  });
});

describe('an element that cannot be read', () => {
  it('is one reject with its place and reason, and the others are read', async () => {
    const bytes = Buffer.concat([
      Buffer.from(
        `[{"text":"good"}, {"text":1}, nonsense, {"text":"${'x'.repeat(200)}"}, {"text":}, ${'['.repeat(300)}${']'.repeat(300)}, {"text":"`,
      ),
      Buffer.from([0xff]),
      Buffer.from('"}, {"text":"good too"}]'),
    ]);
    const { records, rejects } = await readAll(json(file('x.json', bytes), { maxRecordBytes: 180 }));
    expect(records.map(({ id, source: { position } }) => [id, position.ordinal, position.row])).toEqual([
      ['x.json#0', 0, 0],
      ['x.json#7', 7, 7],
    ]);
    expect(rejects.map(({ stage, error: { code, position } }) => [stage, code, position?.ordinal])).toEqual([
      ['json', 'WRONG_TYPE', 1],
      ['json', 'INVALID_JSON', 2],
      ['json', 'TOO_LONG', 3],
      ['json', 'INVALID_JSON', 4],
      ['json', 'TOO_LONG', 5],
      ['json', 'INVALID_UTF8', 6],
    ]);
    const place = rejects[2]?.error.position?.byte ?? 0;
    expect(bytes.subarray(place, place + 10).toString()).toBe('{"text":"x');
    expect(Buffer.from(rejects[1]?.payload ?? []).toString()).toBe('nonsense');
    const deep = `[${'['.repeat(300)}${']'.repeat(300)}, {"text":"a"}]`;
    expect(codes(await readAll(json(file('x.json', deep))))).toEqual(['TOO_DEEP']);
  });
});

describe('a file that is not as it should be', () => {
  it.each([
    ['[{"text":"a"}', 'TRUNCATED', 1, 13],
    ['[{"text":"a"},{"te', 'TRUNCATED', 1, 14],
    ['[{"text":"a"},', 'TRUNCATED', 1, 14],
    ['[{"text":"a"} {"text":"b"}]', 'INVALID_JSON', 1, 14],
    ['[{"text":"a"},]', 'INVALID_JSON', 1, 14],
    ['[{"text":"a"},,{"text":"b"}]', 'INVALID_JSON', 1, 14],
    ['[{"text":"a"}]]', 'INVALID_JSON', 1, 14],
    ['[{"text":"a"}][{"text":"b"}]', 'JSON_LINES', 1, 14],
    ['{"rows":[{"text":"a"}],}', 'INVALID_JSON', 1, 23],
    ['{"rows":[{"text":"a"}] "x":1}', 'INVALID_JSON', 1, 23],
    ['{"rows":[{"text":"a"}],"x" 1}', 'INVALID_JSON', 1, 27],
    ['{"rows":[{"text":"a"}],"x":,"y":1}', 'INVALID_JSON', 1, 27],
    ['{rows:[{"text":"a"}]}', 'INVALID_JSON', 0, 1],
    ['{"a":[{"text":"a"}],"b":[{"text":"b"}]}', 'AMBIGUOUS_ROWS', 1, 39],
    ['{"a":["b"],"text":"c"}', 'NO_ROWS', 0, 22],
    ['"text"', 'NO_ROWS', 0, 0],
    [' \n', 'TRUNCATED', 0, 2],
  ])('%s is one reject (%s) behind what was read', async (bytes, code, rows, byte) => {
    for (const splitBytes of [1, 1 << 30]) {
      const { records, rejects } = await readAll(json(file('x.json', bytes)), splitBytes);
      expect(records).toHaveLength(rows);
      expect(rejects.map(({ error }) => [error.code, error.position])).toEqual([[code, { ordinal: rows, byte }]]);
    }
  });

  it.each([
    ['{"data":{"rows":5}}', 'data.rows'],
    ['{"data":[{"text":"a"}]}', 'data.rows'],
    ['{"rows":[]}', 'data'],
    ['[]', 'data'],
  ])('%s has nothing at %s', async (bytes, at) => {
    expect(codes(await readAll(json(file('x.json', bytes), { at })))).toEqual(['NO_ROWS']);
  });

  it('loses no element before its break', async () => {
    const rows = Array.from({ length: 4000 }, (_, n) => ({ text: `${Math.imul(n, 2654435761) >>> 0}` }));
    const packed = gzipSync(JSON.stringify(rows));
    const cut = await readAll(json(file('x.json.gz', packed.subarray(0, packed.length >> 1))));
    expect(cut.records.length).toBeGreaterThan(500);
    expect(cut.records.map(text)).toEqual(rows.slice(0, cut.records.length).map((row) => row.text));
    expect(codes(cut)).toEqual(['TRUNCATED']);
    await expect(readAll(json(file('x.json', '')))).rejects.toMatchObject({ cause: { code: 'EMPTY_FILE' } });
  });
});

describe('a large file', () => {
  it('is read in bounded memory, though an element never ends', { timeout: 60_000 }, async () => {
    const path = join(temporaryFolder(), 'large.json');
    const out = openSync(path, 'w');
    const block = Buffer.from(`${JSON.stringify({ text: 'lorem "ipsum" '.repeat(140) })},`.repeat(512));
    const blocks = 32;
    writeSync(out, '[');
    for (let index = 0; index < blocks; index++) writeSync(out, block);
    writeSync(out, '{"text":"');
    for (let index = 0; index < blocks; index++) writeSync(out, Buffer.alloc(1 << 20, 'x'));
    closeSync(out);
    const source = json(path, { maxRecordBytes: 1 << 20 });
    const [split] = await plan(source, 1 << 30);
    const before = bytesInUse();
    let [seen, most] = [0, 0];
    const rejects: string[] = [];
    const note = (): void => {
      most = Math.max(most, bytesInUse() - before);
    };
    await new Promise<void>((complete, error) => {
      const next = (): void => {
        if (++seen % 2000 === 0) note();
      };
      const reject = (_stage: string, { code }: { code: string }): void => {
        rejects.push(code);
        note();
      };
      withRun({ reject }, () => source.read(split!).subscribe({ next, error, complete }));
    });
    expect(seen).toBe(512 * blocks);
    expect(rejects).toEqual(['TRUNCATED']);
    expect(most).toBeLessThan(32 << 20);
  });
});
