import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { tableFromArrays, tableToIPC } from 'apache-arrow';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { describe, expect, it } from 'vitest';
import { files } from '../../src/sources/index.ts';
import { codes, content, readAll, tarOf, temporaryFolder } from './helpers.ts';
import { zipOf } from './zipOf.ts';

async function mixed(): Promise<string> {
  const root = temporaryFolder();
  mkdirSync(join(root, 'sub'));
  const lines = Array.from({ length: 40 }, (_, n) => `${JSON.stringify({ key: n, text: `line ${n}` })}\n`).join('');
  writeFileSync(join(root, 'a.jsonl'), lines);
  writeFileSync(join(root, 'b.jsonl.gz'), gzipSync(lines));
  const data = Array.from({ length: 40 }, (_, n) => `row ${n}`);
  const columnData = [
    { name: 'text', data, type: 'STRING' as const },
    { name: 'key', data: BigInt64Array.from(data, (_, n) => BigInt(n)), type: 'INT64' as const },
  ];
  writeFileSync(join(root, 'c.parquet'), Buffer.from(parquetWriteBuffer({ columnData, rowGroupSize: 10 })));
  writeFileSync(join(root, 'sub', 'd.tar'), await tarOf([{ name: 'in.txt', content: 'member' }]));
  writeFileSync(join(root, 'sub', 'e.txt'), 'plain');
  writeFileSync(join(root, 'sub', 'f.zip'), zipOf([{ name: 'in.txt', content: 'member' }]));
  writeFileSync(join(root, 'z.png'), new Uint8Array([0x89, 0x50, 0x4e, 0x47]));
  return root;
}

describe('files of any kind', () => {
  it('are each read by what their name says, and cutting changes nothing', async () => {
    const root = await mixed();
    const whole = await readAll(files(root, { id: 'key' }));
    expect(whole.rejects).toEqual([]);
    expect(whole.splits).toHaveLength(1);
    const count = new Map<string, number>();
    for (const { source } of whole.records) count.set(source.uri, (count.get(source.uri) ?? 0) + 1);
    expect([...count]).toEqual([
      ['a.jsonl', 40],
      ['b.jsonl.gz', 40],
      ['c.parquet', 40],
      ['sub/d.tar!/in.txt', 1],
      ['sub/e.txt', 1],
      ['sub/f.zip!/in.txt', 1],
      ['z.png', 1],
    ]);
    expect(whole.records.map(({ source }) => source.position.ordinal)).toEqual([...Array(124).keys()]);
    expect(whole.records[39]?.id).toBe('39');
    const cut = await readAll(files(root, { id: 'key' }), 300);
    expect(cut.splits.length).toBeGreaterThan(8);
    expect(content(cut.records)).toEqual(content(whole.records));
  });

  it('may be named by ranges, none of which may be missing, unless a file has that very name', async () => {
    const root = temporaryFolder();
    for (const n of ['000', '001', '002', '004']) writeFileSync(join(root, `p-${n}.txt`), n);
    writeFileSync(join(root, 'q-{1..2}.txt'), 'itself');
    const uris = async (pattern: string): Promise<string[]> =>
      (await readAll(files(join(root, pattern)))).records.map(({ source }) => source.uri);
    expect(await uris('p-{000..002}.txt')).toEqual(['p-000.txt', 'p-001.txt', 'p-002.txt']);
    expect(await uris('q-{1..2}.txt')).toEqual(['q-{1..2}.txt']);
    expect(await uris('p-{000,004,005}.txt')).toEqual(['p-000.txt', 'p-004.txt']);
    await expect(uris('p-{002..004}.txt')).rejects.toMatchObject({
      code: 'NOT_FOUND',
      path: join(root, 'p-003.txt'),
    });
    await expect(uris('p-{1..999999}.txt')).rejects.toMatchObject({ code: 'BAD_PATTERN' });
    await expect(uris('*.csv')).rejects.toMatchObject({
      code: 'NO_FILES',
      hint: 'Check the path and the pattern; names that begin with a dot are left out.',
    });
  });

  it('are tables, too, where they are JSON, CSV or Arrow and have the column', async () => {
    const root = temporaryFolder();
    const rows = Array.from({ length: 40 }, (_, n) => ({ key: n, text: `row ${n}` }));
    writeFileSync(join(root, 'a.json'), JSON.stringify({ rows }));
    writeFileSync(join(root, 'b.csv'), `key,text\n${rows.map((row) => `${row.key},${row.text}\n`).join('')}`);
    writeFileSync(
      join(root, 'c.tsv.gz'),
      gzipSync(`key\ttext\n${rows.map((row) => `${row.key}\t${row.text}\n`).join('')}`),
    );
    writeFileSync(join(root, 'd.arrow'), tableToIPC(tableFromArrays({ text: rows.map((row) => row.text) }), 'stream'));
    writeFileSync(join(root, 'e.json'), '{"compilerOptions": {"strict": true}}');
    writeFileSync(join(root, 'f.csv'), 'x,y\n1,2\n');
    writeFileSync(join(root, 'g.json'), '');
    writeFileSync(join(root, 'h.json'), '[{"name":"no text"}]');
    for (const splitBytes of [100, 1 << 20]) {
      const { records, rejects } = await readAll(files(root), splitBytes);
      expect(rejects).toEqual([]);
      const count = new Map<string, number>();
      for (const { source } of records) count.set(source.uri, (count.get(source.uri) ?? 0) + 1);
      expect([...count]).toEqual([
        ['a.json', 40],
        ['b.csv', 40],
        ['c.tsv.gz', 40],
        ['d.arrow', 40],
        ['e.json', 1],
        ['f.csv', 1],
        ['g.json', 1],
        ['h.json', 1],
      ]);
      expect(records.at(-4)?.id).toBe('e.json');
    }
    const same = await readAll(files(root, { text: 'text' }));
    expect(same.records).toHaveLength(164);
    const declared = await readAll(
      files(root, { columns: { text: 'string' }, include: ['e.json', 'f.csv', 'h.json', 'a.json'] }),
    );
    expect(declared.records).toHaveLength(40);
    expect(codes(declared)).toEqual(['MISSING_COLUMN', 'NO_ROWS', 'MISSING_COLUMN']);
    const some = files(root, {
      columns: { key: 'int64', text: 'string' },
      where: { key: { lt: 3 } },
      include: ['a.json', 'b.csv', 'c.*'],
    });
    expect((await readAll(some)).records).toHaveLength(9);
  });

  it('reject what is damaged, and nothing else', async () => {
    const root = await mixed();
    writeFileSync(join(root, 'bad.parquet'), 'PAR1 and no more');
    writeFileSync(join(root, 'bad.tar'), 'short');
    writeFileSync(join(root, 'bad.jsonl.gz'), gzipSync('{"text":"a"}\n').subarray(0, 15));
    writeFileSync(join(root, 'empty.parquet'), '');
    const outcome = await readAll(files(root));
    expect(outcome.records).toHaveLength(124);
    expect(codes(outcome)).toEqual(['TRUNCATED', 'EMPTY_FILE', 'TRUNCATED', 'TRUNCATED']);
  });

  it('say in their options what decides their content', () => {
    const options = files('in', { text: 'body', include: '*.jsonl' }).options;
    expect(options).toMatchObject({ inputs: ['in'], text: 'body', include: ['*.jsonl'] });
    expect(JSON.parse(JSON.stringify(options))).toEqual(options);
  });
});
