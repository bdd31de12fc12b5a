import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { attach } from '../../../src/operators/attach.ts';
import { tarOf, temporaryFolder } from '../../sources/helpers.ts';
import { zipOf } from '../../sources/zipOf.ts';
import { attached, impatient, row, shown, through, web } from './flow.ts';

const members = (names: readonly string[]) => names.map((name) => ({ name, content: `<${name}>` }));

/** A folder with archives; each file is a member of the archive. */
async function folder(archives: Readonly<Record<string, readonly string[]>>): Promise<string> {
  const root = temporaryFolder();
  mkdirSync(join(root, 'raw'));
  for (const [name, names] of Object.entries(archives)) {
    const tar = await tarOf(members(names));
    const bytes = name.endsWith('.gz') ? gzipSync(tar) : name.endsWith('.zst') ? zstdCompressSync(tar) : tar;
    writeFileSync(join(root, name), bytes);
  }
  return root;
}

describe('archives', () => {
  it.each(['raw/images.tar', 'raw/images.tar.gz', 'raw/images.tar.zst'])(
    'hold what rows point to: %s',
    async (archive) => {
      const base = await folder({ [archive]: ['a.png', './b.png'] });
      const rows = [row(0, ['images/a.png', 'images/b.png'], base)];
      const outcome = await attached(rows, { text: false, archives: [{ prefix: 'images/', archives: archive }] });
      expect(outcome.rejects).toEqual([]);
      expect(shown(outcome)).toEqual([
        `r0#image/0 ${archive}!/a.png <a.png>`,
        `r0#image/1 ${archive}!/b.png <./b.png>`,
      ]);
    },
  );

  it('name their members without the prefix, or with it, or with another folder', async () => {
    const base = await folder({ 'x.tar': ['a.png', 'images/b.png', 'train/c.png', 'images/a.png'] });
    const found = async (rule: object, image: string) =>
      shown(
        await attached([row(0, image, base)], {
          text: false,
          archives: [{ prefix: 'images/', archives: 'x.tar', ...rule }],
        }),
      );
    expect(await found({}, 'images/a.png')).toEqual(['r0#image/0 x.tar!/a.png <a.png>']);
    expect(await found({}, 'images/b.png')).toEqual(['r0#image/0 x.tar!/images/b.png <images/b.png>']);
    expect(await found({ strip: false }, 'images/a.png')).toEqual(['r0#image/0 x.tar!/images/a.png <images/a.png>']);
    expect(await found({ strip: true }, 'images/b.png')).toEqual([]);
    expect(await found({ folder: 'train' }, 'images/c.png')).toEqual(['r0#image/0 x.tar!/train/c.png <train/c.png>']);
    expect(await found({ prefix: '' }, './images//b.png')).toEqual(['r0#image/0 x.tar!/images/b.png <images/b.png>']);
  });

  it('are looked through in their order, rule by rule, before the folder', async () => {
    const base = await folder({
      'raw/1.tar': ['a'],
      'raw/2.tar': ['a', 'b'],
      'raw/10.tar': ['b', 'c'],
      'late.tar': ['c', 'd'],
    });
    mkdirSync(join(base, 'i'));
    for (const name of ['a', 'd', 'e']) writeFileSync(join(base, 'i', name), 'beside');
    const archives = [
      { prefix: 'i/', archives: ['raw/{1..2}.tar', 'raw/10.tar'] },
      { prefix: 'i/', archives: 'late.tar' },
    ];
    const outcome = await attached([row(0, ['i/a', 'i/b', 'i/c', 'i/d', 'i/e', 'i/f'], base)], {
      text: false,
      archives,
    });
    expect(outcome.documents.map(({ source }) => source.uri)).toEqual([
      'raw/1.tar!/a',
      'raw/2.tar!/b',
      'raw/10.tar!/c',
      'late.tar!/d',
      'i/e',
    ]);
    expect(outcome.rejects.map(({ code, message }) => [code, message])).toEqual([
      [
        'MISSING_REFERENCE',
        "'i/f' (column 'image', entry 5): looked for f or i/f in 3 archives (raw/1.tar to raw/10.tar); f or i/f in late.tar; " +
          'i/f, data/i/f, train/i/f beside the source',
      ],
    ]);
  });

  it('concern the rows of their dataset alone, where a rule says so', async () => {
    const base = await folder({ 'x.tar': ['a'] });
    const archives = [{ prefix: 'i/', dataset: 'owner/name', archives: join(base, 'x.tar') }];
    expect((await attached([row(0, 'i/a', base)], { archives })).rejects).toMatchObject([
      { code: 'MISSING_REFERENCE' },
    ]);
    const about = await attached([row(0, 'i/a', 'hf://datasets/owner/name@main')], { archives });
    // An absolute path of this machine is told by its last part alone.
    expect(about.documents[1]?.source.uri).toBe('x.tar!/a');
  });

  it('of a web server are fetched once, and again where they have changed', async () => {
    let tar = await tarOf(members(['a', 'b']));
    let version: Record<string, string> = { etag: '"1"' };
    const server = await web({
      '/x.tar': (request, response) =>
        void response
          .writeHead(200, { 'content-length': tar.length, ...version, 'accept-ranges': 'bytes' })
          .end(request.method === 'HEAD' ? '' : tar),
    });
    const options = impatient({
      text: false,
      archives: [{ prefix: 'i/', archives: `${server.url}/x.tar?key=secret` }],
    });
    const rows = [row(0, ['i/a', 'i/b']), row(1, 'i/a')];
    const first = await through(attach(options), rows);
    expect(first.rejects).toEqual([]);
    expect(first.documents.map(({ bytes }) => Buffer.from(bytes).toString())).toEqual(['<a>', '<b>', '<a>']);
    expect(first.documents[0]?.source.uri).toMatch(/^http.*\/~[0-9a-f]{8}\/x\.tar!\/a$/);
    expect(shown(await through(attach(options), rows))).toEqual(shown(first));
    expect(server.gets).toHaveLength(1);
    for (const [next, content] of [
      [{ etag: '"2"' }, 'two'],
      [{ 'last-modified': 'Mon, 01 Jan 2024 00:00:00 GMT' }, '3rd'],
      [{ 'last-modified': 'Mon, 01 Jan 2024 00:00:01 GMT' }, '4th'],
    ] as const) {
      [tar, version] = [await tarOf([{ name: 'a', content }]), next];
      const { documents } = await through(attach(options), [row(0, 'i/a')]);
      expect(documents.map(({ bytes }) => `${Buffer.from(bytes)}`)).toEqual([content]);
    }
    expect(server.gets).toHaveLength(4);
  });

  it('that do not exist, or are none, stop the run: they concern every row', async () => {
    const base = await folder({ 'x.tar': ['a'] });
    writeFileSync(join(base, 'x.txt'), 'x');
    const using = (archives: string) => attached([row(0, 'i/a', base)], { archives: [{ prefix: 'i/', archives }] });
    await expect(using('gone.tar')).rejects.toMatchObject({ name: 'SourceError', code: 'NOT_FOUND', path: 'gone.tar' });
    await expect(using('xx.tar')).rejects.toMatchObject({
      hint: "Check what --archives names, or the archive rules of attach. Did you mean 'x.tar'?",
    });
    await expect(using('x.txt')).rejects.toMatchObject({ name: 'PipelineError', code: 'NOT_AN_ARCHIVE' });
    const nowhere = attached([row(0, 'i/a')], { archives: [{ prefix: 'i/', archives: 'x.tar' }] });
    await expect(nowhere).rejects.toMatchObject({ name: 'PipelineError', code: 'BAD_RULE' });
  });

  it('give what lies before their damage, and say so of the rest', async () => {
    const base = await folder({ 'x.tar': ['a', 'b', 'c'], 'y.tar': ['c'] });
    writeFileSync(join(base, 'x.tar'), (await tarOf(members(['a', 'b', 'c']))).subarray(0, 1536));
    const rows = [row(0, ['i/a', 'i/b', 'i/c'], base)];
    const archives = [{ prefix: 'i/', archives: ['x.tar', 'y.tar'] }];
    const outcome = await attached(rows, { text: false, archives });
    expect(outcome.documents.map(({ source }) => source.uri)).toEqual(['x.tar!/a', 'y.tar!/c']);
    expect(outcome.rejects).toMatchObject([
      { code: 'DAMAGED_ARCHIVE', message: expect.stringMatching(/x\.tar: .*ends inside a member/) },
    ]);
  });

  it('are no way to files that are none, or too large', async () => {
    const base = temporaryFolder();
    const tar = await tarOf([
      { name: 'link', type: 'symlink', linkname: '/etc/hostname' },
      { name: 'large', content: 'x'.repeat(100) },
      { name: 'folder/', type: 'directory' },
    ]);
    writeFileSync(join(base, 'x.tar'), tar);
    symlinkSync(join(base, 'x.tar'), join(base, 'y.tar'));
    const rows = ['link', 'large', 'folder', 'folder/../large'].map((name, i) => row(i, `i/${name}`, base));
    const outcome = await attached(rows, {
      text: false,
      maxReferenceBytes: 10,
      archives: [{ prefix: 'i/', archives: 'y.tar' }],
    });
    expect(outcome.documents).toEqual([]);
    expect(outcome.rejects.map(({ code }) => code)).toEqual([
      'UNSUPPORTED_MEMBER',
      'REFERENCE_TOO_LARGE',
      'MISSING_REFERENCE',
      'UNSAFE_REFERENCE',
    ]);
  });

  it('reject a member that turns out to be damaged, or its record before any view of it is out', async () => {
    const base = temporaryFolder();
    writeFileSync(
      join(base, 'x.zip'),
      zipOf([
        { name: 'a', content: 'a' },
        { name: 'b', content: 'b', crc: 1 },
      ]),
    );
    const archives = [{ prefix: 'i/', archives: 'x.zip' }];
    const rows = [row(0, ['i/a', 'i/b'], base), row(1, 'i/a', base)];
    const alone = await attached(rows, { archives });
    expect(alone.documents.map(({ id }) => id)).toEqual(['r0', 'r0#image/0', 'r1', 'r1#image/0']);
    const whole = await attached(rows, { archives, onMissing: 'record' });
    expect(whole.documents.map(({ id }) => id)).toEqual(['r1', 'r1#image/0']);
    for (const { rejects } of [alone, whole]) {
      expect(rejects).toMatchObject([{ code: 'WRONG_CHECKSUM', position: { ordinal: 0 }, path: 'train/rows.jsonl' }]);
    }
  });
});
