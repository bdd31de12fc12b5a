import { closeSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { iterate } from '../../src/flow/index.ts';
import { jsonl } from '../../src/sources/index.ts';
import { bytesInUse, codes, content, plan, readAll, temporaryFolder, text } from './helpers.ts';

function file(name: string, bytes: string | Uint8Array): string {
  const path = join(temporaryFolder(), name);
  writeFileSync(path, bytes);
  return path;
}

const line = (id: string, body: string): string => JSON.stringify({ id, text: body });
const columns = { id: 'string', text: 'string' } as const;
const lines = (count: number): string =>
  Array.from({ length: count }, (_, n) => `${line(`r${n}`, `text ${n} é`)}\n`).join('');

describe('JSON Lines', () => {
  it('give a document for every line, at its exact place', async () => {
    const path = file('x.jsonl', `\ufeff${line('a', 'one')}\r\n\n  \n${line('b', 'zwölf\n')}\n${line('c', '')}`);
    const { records, rejects } = await readAll(jsonl(path, { columns }));
    expect(rejects).toEqual([]);
    expect(
      records.map(({ id, bytes, source: { uri, position } }) => [id, Buffer.from(bytes).toString(), uri, position]),
    ).toEqual([
      ['a', 'one', 'x.jsonl', { ordinal: 0, byte: 3, line: 1 }],
      ['b', 'zwölf\n', 'x.jsonl', { ordinal: 1, byte: 32, line: 4 }],
      ['c', '', 'x.jsonl', { ordinal: 2, byte: 61, line: 5 }],
    ]);
    const bytes = readFileSync(path);
    for (const record of records) {
      const at = bytes.subarray(record.source.position.byte).toString().split(/\r?\n/)[0] ?? '';
      expect(JSON.parse(at).text).toBe(text(record));
    }
  });

  it('are the same however the file is cut into splits', async () => {
    const record = fc.record({ id: fc.string(), text: fc.string({ unit: 'grapheme', maxLength: 80 }) });
    const gap = fc.constantFrom('\n', '\r\n', '\n\n', '\n \n');
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(record, gap), { minLength: 1, maxLength: 40 }),
        fc.integer({ min: 1, max: 4000 }),
        async (rows, splitBytes) => {
          const path = file('x.jsonl', rows.map(([row, end]) => JSON.stringify(row) + end).join(''));
          const cut = await readAll(jsonl(path), splitBytes);
          expect(cut.records.map(text)).toEqual(rows.map(([row]) => row.text));
          expect(content(cut.records)).toEqual(content((await readAll(jsonl(path), 1 << 30)).records));
          expect(cut.splits.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(readFileSync(path).length);
        },
      ),
      { numRuns: 60 },
    );
  });

  it.each([
    ['x.jsonl.gz', (bytes: Buffer) => gzipSync(bytes)],
    ['x.jsonl.zst', (bytes: Buffer) => zstdCompressSync(bytes)],
    [
      'several.jsonl.gz',
      (bytes: Buffer) => Buffer.concat([gzipSync(bytes.subarray(0, 777)), gzipSync(bytes.subarray(777))]),
    ],
    [
      'several.jsonl.zst',
      (bytes: Buffer) =>
        Buffer.concat([zstdCompressSync(bytes.subarray(0, 777)), zstdCompressSync(bytes.subarray(777))]),
    ],
  ])('%s give the same as the plain file', async (name, compress) => {
    const plain = await readAll(jsonl(file('x.jsonl', lines(5000)), { columns }));
    const packed = await readAll(jsonl(file(name, compress(Buffer.from(lines(5000)))), { columns }));
    expect(packed.rejects).toEqual([]);
    expect(packed.splits).toHaveLength(1);
    expect(packed.records.map(({ bytes, source: { position } }) => [bytes, position])).toEqual(
      plain.records.map(({ bytes, source: { position } }) => [bytes, position]),
    );
  });

  it('name documents by their column, or by the offset of their line', async () => {
    const path = file('x.jsonl', '{"text":"a","key":9007199254740993}\n{"text":"b","key":"k"}\n');
    expect((await readAll(jsonl(path))).records.map(({ id }) => id)).toEqual(['x.jsonl#0', 'x.jsonl#36']);
    expect((await readAll(jsonl(path, { id: 'key' }))).records.map(({ id }) => id)).toEqual(['9007199254740993', 'k']);
  });

  it('are read from a folder by their names', async () => {
    const root = temporaryFolder();
    for (const name of ['a.jsonl', 'b.ndjson', 'c.json', 'd.txt'])
      writeFileSync(join(root, name), `${line(name, name)}\n`);
    expect((await readAll(jsonl(root))).records.map(text)).toEqual(['a.jsonl', 'b.ndjson']);
    expect((await readAll(jsonl(root, { include: '*.json' }))).records.map(text)).toEqual(['c.json']);
    expect((await readAll(jsonl(join(root, 'c.json')))).records.map(text)).toEqual(['c.json']);
  });
});

describe('a line that cannot be read', () => {
  it('is one reject with its place and reason, and the others are read', async () => {
    const bad = [
      line('a', 'good'),
      '{"id":"b","txet":"x"}',
      'nonsense',
      line('c', 'x'.repeat(200)),
      '{"id":"d","text":7}',
      line('e', 'good too'),
    ];
    const bytes = Buffer.concat([
      Buffer.from(`${bad.join('\n')}\n{"id":"f","text":"`),
      Buffer.from([0xff]),
      Buffer.from('"}\n'),
    ]);
    const { records, rejects } = await readAll(jsonl(file('x.jsonl', bytes), { columns, maxRecordBytes: 100 }));
    expect(records.map(({ id, source: { position } }) => [id, position.ordinal, position.line])).toEqual([
      ['a', 0, 1],
      ['e', 5, 6],
    ]);
    expect(
      rejects.map(({ stage, error: { code, position, hint } }) => [
        stage,
        code,
        position?.ordinal,
        position?.line,
        hint,
      ]),
    ).toEqual([
      ['jsonl', 'MISSING_COLUMN', 1, 2, "Did you mean 'txet'?"],
      ['jsonl', 'INVALID_JSON', 2, 3, undefined],
      ['jsonl', 'TOO_LONG', 3, 4, 'Set maxRecordBytes higher to read it.'],
      ['jsonl', 'WRONG_TYPE', 4, 5, undefined],
      ['jsonl', 'INVALID_UTF8', 6, 7, expect.any(String)],
    ]);
    expect(Buffer.from(rejects[1]?.payload ?? []).toString()).toBe('nonsense');
    const place = rejects[2]?.error.position?.byte ?? 0;
    expect(bytes.subarray(place, place + 9).toString()).toBe('{"id":"c"');
  });
});

describe('a stream that breaks off', () => {
  const noise = Array.from({ length: 4000 }, (_, n) => `${line(`r${n}`, `${Math.imul(n, 2654435761) >>> 0}`)}\n`).join(
    '',
  );

  it.each([
    ['gz', (bytes: Buffer) => gzipSync(bytes)],
    ['zst', (bytes: Buffer) => zstdCompressSync(bytes)],
  ])('(%s) loses no line before the break, and is one reject behind them', async (extension, compress) => {
    const packed = compress(Buffer.from(noise));
    const whole = await readAll(jsonl(file('x.jsonl', noise), { columns }));
    for (const share of [0.3, 0.9, 0.999]) {
      const cut = packed.subarray(0, Math.floor(packed.length * share));
      const { records, rejects } = await readAll(jsonl(file(`x.jsonl.${extension}`, cut), { columns }));
      // What a decoder that is fed byte by byte would have given: at least the lines of the last whole block.
      expect(records.map(text)).toEqual(whole.records.slice(0, records.length).map(text));
      expect(rejects.map(({ error }) => error.code)).toEqual(['TRUNCATED']);
      const { byte = 0, ordinal } = rejects[0]?.error.position ?? { ordinal: -1 };
      expect(ordinal).toBe(records.length);
      expect(byte).toBe(whole.records[records.length]?.source.position.byte);
    }
    expect(0.9 * 4000).toBeLessThan(
      (await readAll(jsonl(file(`y.jsonl.${extension}`, packed.subarray(0, -8)), { columns }))).records.length,
    );
  });

  it('is a reject where it is damaged, no such stream, or a bomb', async () => {
    const zeros = gzipSync(Buffer.alloc(64 << 20));
    expect(codes(await readAll(jsonl(file('x.jsonl.gz', zeros))))).toEqual(['EXPANSION_LIMIT']);
    expect(codes(await readAll(jsonl(file('x.jsonl.gz', 'not gzip'))))).toEqual(['CORRUPT_COMPRESSION']);
    expect(codes(await readAll(jsonl(file('x.jsonl.zst', 'not zstd'))))).toEqual(['CORRUPT_COMPRESSION']);
    const trailing = Buffer.concat([zstdCompressSync(Buffer.from(lines(3))), Buffer.from('rubbish')]);
    const outcome = await readAll(jsonl(file('x.jsonl.zst', trailing), { columns }));
    expect(outcome.records).toHaveLength(3);
    expect(codes(outcome)).toEqual(['CORRUPT_COMPRESSION']);
  });

  it('leaves nothing to read where it is empty', async () => {
    await expect(readAll(jsonl(file('x.jsonl', '')))).rejects.toMatchObject({
      code: 'NO_USABLE_FILE',
      cause: { code: 'EMPTY_FILE' },
    });
  });
});

describe('a large file', () => {
  it('is read in bounded memory by a slow reader', { timeout: 120_000 }, async () => {
    const path = join(temporaryFolder(), 'large.jsonl');
    const out = openSync(path, 'w');
    const block = Buffer.from(
      Array.from({ length: 512 }, (_, n) => `${line(`r${n}`, 'lorem ipsum '.repeat(160))}\n`).join(''),
    );
    for (let written = 0; written < 50 << 20; written += block.length) writeSync(out, block);
    closeSync(out);
    const source = jsonl(path, { columns, maxRecordBytes: 1 << 20 });
    const [split] = await plan(source, 1 << 30);
    const before = bytesInUse();
    let count = 0;
    let most = 0;
    for await (const record of iterate(source.read(split!))) {
      count += record.bytes.length > 0 ? 1 : 0;
      if (count % 2000 === 0) {
        await new Promise((resolve) => setImmediate(resolve));
        most = Math.max(most, bytesInUse() - before);
      }
    }
    expect(count).toBe(512 * Math.ceil((50 << 20) / block.length));
    expect(most).toBeLessThan(32 << 20);
  });
});
