import { closeSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { withRun } from '../../src/run/context.ts';
import { type Columns, csv } from '../../src/sources/index.ts';
import { bytesInUse, codes, content, plan, readAll, temporaryFolder, text } from './helpers.ts';

function file(name: string, bytes: string | Uint8Array): string {
  const path = join(temporaryFolder(), name);
  writeFileSync(path, bytes);
  return path;
}

const columns = { id: 'string', text: 'string' } as const;
const quoted = (field: string): string => `"${field.replaceAll('"', '""')}"`;
/** Fields that need no quotes are bare, as most programs write them. */
const field = (value: string): string => (/[",\r\n]/.test(value) ? quoted(value) : value);

/** A value, and whether a program writes it with quotes that it does not need. */
const cell = fc.tuple(
  fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 20 }),
    fc.string({ unit: fc.constantFrom('"', ',', '\n', '\r', 'a', 'é', '\t'), maxLength: 12 }),
  ),
  fc.boolean(),
);
const written = ([value, force]: [string, boolean]): string => (force || value === '' ? quoted(value) : field(value));

describe('CSV', () => {
  it('gives a document for every record, at its exact place', async () => {
    const path = file('x.csv', '\ufeffid,text\r\na,one\r\n\r\nb,"zwölf\n""12"", or so"\r\n"c",""\r\nd,last');
    const { records, rejects } = await readAll(csv(path, { columns }));
    expect(rejects).toEqual([]);
    expect(
      records.map(({ id, bytes, source: { uri, position } }) => [id, Buffer.from(bytes).toString(), uri, position]),
    ).toEqual([
      ['a', 'one', 'x.csv', { ordinal: 0, byte: 12, line: 2, row: 0 }],
      ['b', 'zwölf\n"12", or so', 'x.csv', { ordinal: 1, byte: 21, line: 4, row: 1 }],
      ['c', '', 'x.csv', { ordinal: 2, byte: 47, line: 6, row: 2 }],
      ['d', 'last', 'x.csv', { ordinal: 3, byte: 55, line: 7, row: 3 }],
    ]);
    const bytes = readFileSync(path);
    for (const { id, source } of records) {
      expect(bytes.subarray(source.position.byte).toString().replace(/^"/, '').startsWith(id)).toBe(true);
    }
  });

  it('comes back whatever is written, as csv-parse reads it too', async () => {
    const shape = fc.record({
      rows: fc.array(fc.array(cell, { minLength: 3, maxLength: 3 }), { minLength: 1, maxLength: 12 }),
      end: fc.constantFrom('\n', '\r\n'),
      last: fc.boolean(),
      mark: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(shape, async ({ rows, end, last, mark }) => {
        const lines = rows.map((row) => row.map(written).join(','));
        const all = `${mark ? '\ufeff' : ''}${['x,text,"y"', ...lines].join(end)}${last ? end : ''}`;
        const { records, rejects } = await readAll(
          csv(file('x.csv', all), { columns: { x: 'string', text: 'string', y: 'string' } }),
        );
        expect(rejects).toEqual([]);
        const read = records.map(({ meta, bytes }) => [meta.x, Buffer.from(bytes).toString(), meta.y]);
        expect(read).toEqual(rows.map((row) => row.map(([value]) => value.toWellFormed())));
        expect(read).toEqual(parse(all, { bom: true, record_delimiter: end }).slice(1));
      }),
      { numRuns: 200 },
    );
  });

  it('is the same however the file is cut into splits', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(cell, cell), { minLength: 1, maxLength: 40 }),
        fc.constantFrom('\n', '\r\n', '\n\n'),
        fc.integer({ min: 1, max: 400 }),
        fc.boolean(),
        async (rows, end, splitBytes, header) => {
          const lines = rows.map((row) => row.map(written).join(',') + end);
          const path = file('x.csv', `${header ? `id,text${end}` : ''}${lines.join('')}`);
          const options = { columns, ...(header ? {} : { header: ['id', 'text'] }) };
          const cut = await readAll(csv(path, options), splitBytes);
          const whole = await readAll(csv(path, options), 1 << 30);
          expect(whole.splits).toHaveLength(1);
          expect(whole.records.map(text)).toEqual(rows.map(([, [value]]) => value.toWellFormed()));
          expect(content(cut.records)).toEqual(content(whole.records));
          const lineOf = (all: typeof whole) => all.records.map(({ source }) => source.position.line);
          expect(lineOf(cut)).toEqual(lineOf(whole));
          expect(cut.splits.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(readFileSync(path).length);
        },
      ),
      { numRuns: 60 },
    );
    const path = file('x.csv', `id,text\n${'1,"a\nb"\n'.repeat(1000)}`);
    expect((await readAll(csv(path), 1000)).splits).toHaveLength(8);
  });

  it.each([
    ['x.csv.gz', (bytes: Buffer) => gzipSync(bytes)],
    ['x.csv.zst', (bytes: Buffer) => zstdCompressSync(bytes)],
  ])('%s gives the same as the plain file', async (name, compress) => {
    const bytes = Buffer.from(`\ufeffid,text\n${Array.from({ length: 9000 }, (_, n) => `r${n},"é\n${n}"\n`).join('')}`);
    const plain = await readAll(csv(file('x.csv', bytes), { columns }));
    const packed = await readAll(csv(file(name, compress(bytes)), { columns }), 1000);
    expect(plain.records).toHaveLength(9000);
    expect(packed.rejects).toEqual([]);
    expect(packed.splits).toHaveLength(1);
    expect(packed.records.map(({ bytes, source: { position } }) => [bytes, position])).toEqual(
      plain.records.map(({ bytes, source: { position } }) => [bytes, position]),
    );
  });

  it('may have other marks, none, and names that are given', async () => {
    const tsv = await readAll(csv(file('x.tsv', 'id\ttext\n1\ta, "b"\n'), { columns, quote: null }));
    expect(tsv.records.map(text)).toEqual(['a, "b"']);
    const other = await readAll(
      csv(file('x.csv', "1;'a; ''b'''\n2;c\n"), { columns, delimiter: ';', quote: "'", header: ['id', 'text'] }),
    );
    expect(other.records.map(({ id, source }) => [id, source.position.row])).toEqual([
      ['1', 0],
      ['2', 1],
    ]);
    expect(other.records.map(text)).toEqual(["a; 'b'", 'c']);
  });

  it('is read from a folder by its name', async () => {
    const root = temporaryFolder();
    for (const name of ['a.csv', 'b.TSV', 'c.txt']) writeFileSync(join(root, name), `text\n${name}\n`);
    expect((await readAll(csv(root))).records.map(text)).toEqual(['a.csv', 'b.TSV']);
    expect((await readAll(csv(root, { include: '*.txt' }))).records.map(({ id }) => id)).toEqual(['c.txt#0']);
  });

  it('says in its options what decides its content', () => {
    const { options } = csv('in', { columns: { id: 'int64', text: 'string' }, where: { id: { lt: 9 } }, quote: null });
    expect(options).toMatchObject({ header: null, delimiter: null, quote: null, where: { id: { lt: '9' } } });
    expect(JSON.parse(JSON.stringify(options))).toEqual(options);
    for (const wrong of [{ delimiter: '' }, { delimiter: '::' }, { delimiter: '\n' }, { quote: 'é' }, { quote: ',' }]) {
      expect(() => csv('in', wrong)).toThrow(expect.objectContaining({ code: 'BAD_DELIMITER' }));
    }
    expect(() => csv('in', { header: [] })).toThrow(expect.objectContaining({ code: 'BAD_HEADER' }));
  });
});

describe('fields', () => {
  const kinds = {
    text: 'string',
    s: 'string?',
    i: 'int32?',
    n: 'int64?',
    d: 'double?',
    b: 'bool?',
    t: 'timestamp?',
    r: 'binary?',
  } as const;
  const header = Object.keys(kinds).join(',');

  const read = <C extends Columns = typeof kinds>(line: string, columns: C = kinds as Columns as C) =>
    readAll(csv(file('x.csv', `${header}\n${line}\n`), { columns }));

  it('have every value in its kind, and null where they are empty', async () => {
    const { records, rejects } = await read(
      'a, b ,-2147483648,9223372036854775807,-1.5e3,TRUE,2024-02-29 12:00:00,AAEC\nb,,,,,,,\nc,x, 7 ,+1,nan,0,1970-01-01,""',
    );
    expect(rejects).toEqual([]);
    expect(records.map(({ meta }) => meta)).toEqual([
      {
        s: ' b ',
        i: -2147483648,
        n: 9223372036854775807n,
        d: -1500,
        b: true,
        t: new Date('2024-02-29T12:00:00Z'),
        r: new Uint8Array([0, 1, 2]),
      },
      { s: null, i: null, n: null, d: null, b: null, t: null, r: null },
      { s: 'x', i: 7, n: 1n, d: Number.NaN, b: false, t: new Date(0), r: null },
    ]);
    const infinite = await read('a,,,,-inf,,,\nb,,,,Infinity,,,');
    expect(infinite.records.map(({ meta }) => meta.d)).toEqual([Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]);
    const binary = await read('AAEC,,,,,,,', { text: 'binary' } as const);
    expect([...(binary.records[0]?.bytes ?? [])]).toEqual([0, 1, 2]);
  });

  it.each([
    ['a,,2147483648,,,,,', 'OUT_OF_RANGE'],
    ['a,,1.5,,,,,', 'WRONG_TYPE'],
    ['a,,,9223372036854775808,,,,', 'OUT_OF_RANGE'],
    ['a,,,1e3,,,,', 'WRONG_TYPE'],
    ['a,,,,1..2,,,', 'WRONG_TYPE'],
    ['a,,,,0x10,,,', 'WRONG_TYPE'],
    ['a,,,,,yes,,', 'WRONG_TYPE'],
    ['a,,,,,,29.2.2024,', 'WRONG_TYPE'],
    ['a,,,,,,,not base64', 'WRONG_TYPE'],
    ['a,,,,', 'RAGGED_ROW'],
    ['a,,,,,,,,', 'RAGGED_ROW'],
    ['a,"b"c,,,,,,', 'INVALID_CSV'],
    ['a,b"c",,,,,,', 'INVALID_CSV'],
  ])('that do not fit reject their record: %s (%s)', async (line, code) => {
    const outcome = await read(`${line}\ngood,,,,,,,`);
    expect(outcome.records.map(text)).toEqual(['good']);
    expect(
      outcome.rejects.map(({ error, payload }) => [error.code, error.position, Buffer.from(payload ?? []).toString()]),
    ).toEqual([[code, { ordinal: 0, byte: header.length + 1, line: 2, row: 0 }, line]]);
  });

  it.each([
    ['a,,4.82,,,,,', "Declared 'double?', it can be read."],
    ['a,,2147483648,,,,,', "Declared 'int64?', it can be read."],
    ['a,,,9223372036854775808,,,,', "Declared 'double?', it can be read."],
    ['a,,,,true,,,', "Declared 'bool?', it can be read."],
    ['a,,,,,2024-02-29T12:00:00Z,,', "Declared 'timestamp?', it can be read."],
    ['a,,,,,,29.2.2024,', "Declared 'string?', it can be read."],
  ])('say as what they could be read: %s', async (line, hint) => {
    const { rejects } = await read(line);
    expect(rejects).toMatchObject([{ error: { hint } }]);
  });

  it('are not null unless the kind allows it', async () => {
    const { records, rejects } = await read('a,,,,,,,', { text: 'string', s: 'string', i: 'int32' });
    expect(records).toEqual([]);
    expect(rejects[0]?.error).toMatchObject({ code: 'NULL_VALUE', hint: "Declare it 'int32?' to allow that." });
  });
});

describe('a record that cannot be read', () => {
  it('is one reject with its place and reason, and the others are read', async () => {
    const lines = ['id,text', '1,good', '2,"bad" quote', `3,"${'x\n'.repeat(100)}"`, '4', '5,good too'];
    const bytes = Buffer.concat([
      Buffer.from(`${lines.join('\n')}\n6,`),
      Buffer.from([0xff]),
      Buffer.from('\n7,"open\n'),
    ]);
    const { records, rejects } = await readAll(csv(file('x.csv', bytes), { columns, maxRecordBytes: 100 }));
    expect(records.map(({ id, source: { position } }) => [id, position.ordinal, position.row, position.line])).toEqual([
      ['1', 0, 0, 2],
      ['5', 4, 4, 106],
    ]);
    expect(rejects.map(({ error: { code, position, hint } }) => [code, position?.row, position?.line, hint])).toEqual([
      ['INVALID_CSV', 1, 3, expect.stringContaining('doubled')],
      ['TOO_LONG', 2, 4, 'Set maxRecordBytes higher to read it.'],
      ['RAGGED_ROW', 3, 105, undefined],
      ['INVALID_UTF8', 5, 107, expect.any(String)],
      ['INVALID_CSV', 6, 108, expect.any(String)],
    ]);
    const place = rejects[2]?.error.position?.byte ?? 0;
    expect(bytes.subarray(place, place + 3).toString()).toBe('4\n5');
  });

  it('does not matter where the file is cut', async () => {
    const good = '1,"a\n""b"""\n';
    const lines = `id,text\n${good}2,x"y\n${good}"3"z,"\n${good}${good}4,"never closed\n${good}`;
    const whole = await readAll(csv(file('x.csv', lines), { columns }), 1 << 30);
    expect(codes(whole).length).toBeGreaterThan(2);
    for (let splitBytes = 1; splitBytes < 60; splitBytes += 7) {
      const cut = await readAll(csv(file('x.csv', lines), { columns }), splitBytes);
      expect(content(cut.records)).toEqual(content(whole.records));
      expect(cut.rejects.map(({ error: { code, position } }) => [code, position?.byte, position?.row])).toEqual(
        whole.rejects.map(({ error: { code, position } }) => [code, position?.byte, position?.row]),
      );
    }
  });
});

describe('a file that cannot be read', () => {
  it.each([
    ['', 'EMPTY_FILE', undefined],
    ['\ufeff\n\n', 'NO_ROWS', undefined],
    ['id,text\n', 'NO_ROWS', undefined],
    ['id,txet\n1,a\n', 'MISSING_COLUMN', "Did you mean 'txet'?"],
    ['id,text,text\n1,a,b\n', 'DUPLICATE_COLUMN', undefined],
    ['id,"text\n1,a\n', 'INVALID_CSV', undefined],
    ['id,text\r1,a\r', 'INVALID_CSV', 'Convert its line ends.'],
    [Buffer.from([0xff, 0xfe, 0x69, 0x00, 0x0a, 0x00]), 'INVALID_UTF8', 'Convert the file to UTF-8 first.'],
  ])('(%j) is rejected as it is planned: %s', async (bytes, code, hint) => {
    await expect(readAll(csv(file('x.csv', bytes), { columns }))).rejects.toMatchObject({
      code: 'NO_USABLE_FILE',
      cause: { code, ...(hint === undefined ? {} : { hint }) },
    });
  });

  it('is one whose columns are declared as lists', async () => {
    const path = file('x.csv', 'text,tags\na,b\n');
    await expect(readAll(csv(path, { columns: { text: 'string', tags: 'list<string>' } }))).rejects.toMatchObject({
      cause: { code: 'WRONG_TYPE' },
    });
  });

  it.each([
    ['gz', (bytes: Buffer) => gzipSync(bytes)],
    ['zst', (bytes: Buffer) => zstdCompressSync(bytes)],
  ])('(%s) loses no record before its break, and is one reject behind them', async (extension, compress) => {
    const noise = Array.from({ length: 40_000 }, (_, n) => `r${n},"${Math.imul(n, 2654435761) >>> 0}\n"\n`).join('');
    const whole = await readAll(csv(file('x.csv', `id,text\n${noise}`), { columns }));
    const packed = compress(Buffer.from(`id,text\n${noise}`));
    const cut = packed.subarray(0, Math.floor(packed.length * 0.9));
    const { records, rejects } = await readAll(csv(file(`x.csv.${extension}`, cut), { columns }));
    expect(records.length).toBeGreaterThan(1000);
    expect(records.map(text)).toEqual(whole.records.slice(0, records.length).map(text));
    expect(rejects.map(({ error }) => [error.code, error.position?.byte, error.position?.ordinal])).toEqual([
      ['TRUNCATED', whole.records[records.length]?.source.position.byte, records.length],
    ]);
  });
});

describe('a large file', () => {
  it('is read in bounded memory, though a quote is never closed', { timeout: 60_000 }, async () => {
    const path = join(temporaryFolder(), 'large.csv');
    const out = openSync(path, 'w');
    writeSync(out, 'id,text\n');
    const block = Buffer.from(
      Array.from({ length: 512 }, (_, n) => `r${n},"${'lorem\nipsum '.repeat(160)}"\n`).join(''),
    );
    const blocks = Math.ceil((30 << 20) / block.length);
    for (let index = 0; index < blocks; index++) writeSync(out, block);
    writeSync(out, 'bad,"open\n');
    for (let index = 0; index < 3 * blocks; index++) writeSync(out, Buffer.alloc(block.length, 'x'));
    closeSync(out);
    const source = csv(path, { columns, maxRecordBytes: 1 << 20 });
    const [split] = await plan(source, 1 << 30);
    const before = bytesInUse();
    let count = 0;
    let most = 0;
    const note = (): void => {
      most = Math.max(most, bytesInUse() - before);
    };
    const rejects: string[] = [];
    await new Promise<void>((complete, error) => {
      const next = (): void => {
        if (++count % 2000 === 0) note();
      };
      const reject = (_stage: string, { code }: { code: string }): void => {
        rejects.push(code);
        note();
      };
      withRun({ reject }, () => source.read(split!).subscribe({ next, error, complete }));
    });
    expect(count).toBe(512 * blocks);
    expect(rejects).toEqual(['TOO_LONG']);
    expect(most).toBeLessThan(48 << 20);
  });
});

it('a file that lacks a column is told of in whole sentences', async () => {
  const path = file('rows.csv', 'id,score\n1,2\n');
  await expect(readAll(csv(path, { columns: { text: 'string' } }))).rejects.toMatchObject({
    code: 'NO_USABLE_FILE',
    hint: expect.stringMatching(/^The first: '.*rows\.csv' has no column 'text'\. There are 'id', 'score'\.$/),
  });
});
