import { mkdirSync, mkdtempSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { lastValueFrom } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { pull } from '../../src/flow/index.ts';
import { attach } from '../../src/operators/index.ts';
import type { MetaValue } from '../../src/records.ts';
import { temporaryFolder } from '../sources/helpers.ts';
import { attached, impatient, row, shown, through, web } from './attach/flow.ts';

/** A folder with a few images in it. */
function folder(): string {
  const root = temporaryFolder();
  mkdirSync(join(root, 'images'));
  mkdirSync(join(root, 'data'));
  mkdirSync(join(root, 'train'));
  writeFileSync(join(root, 'images', 'a.png'), 'A');
  writeFileSync(join(root, 'images', 'b.png'), 'B');
  writeFileSync(join(root, 'data', 'c.png'), 'C');
  writeFileSync(join(root, 'train', 'd.png'), 'D');
  return root;
}

const bytes = (text: string) => new Uint8Array(Buffer.from(text));

describe('attach', () => {
  it('gives the row, then its files, which share its record and its position', async () => {
    const rows = [row(0, { bytes: null, path: 'images/a.png' }, folder())];
    const { documents, rejects } = await attached(rows);
    expect(rejects).toEqual([]);
    expect(documents).toEqual([
      { ...rows[0], record: 'r0', meta: { lang: 'en', image: 'images/a.png' } },
      {
        id: 'r0#image/0',
        record: 'r0',
        source: { split: '00000', uri: 'images/a.png', position: { ordinal: 0, line: 1 } },
        bytes: expect.toSatisfy((own: Uint8Array) => Buffer.from(own).toString() === 'A'),
        meta: { column: 'image', index: 0, reference: 'images/a.png' },
      },
    ]);
  });

  it.each<[string, MetaValue, string[], MetaValue]>([
    ['text', 'images/a.png', ['images/a.png A'], 'images/a.png'],
    ['bytes', bytes('X'), ['train/rows.jsonl X'], null],
    [
      'bytes with a path, which count',
      { bytes: bytes('X'), path: 'images/a.png' },
      ['train/rows.jsonl X'],
      'images/a.png',
    ],
    ['an object with a url', { url: 'images/a.png' }, ['images/a.png A'], 'images/a.png'],
    ['data:', 'data:text/plain;base64,WA==', ['train/rows.jsonl X'], 'data:text/plain'],
    [
      'a list',
      ['images/b.png', { bytes: bytes('X'), path: null }, null, { bytes: null, path: './/images/a.png' }],
      ['images/b.png B', 'train/rows.jsonl X', 'images/a.png A'],
      ['images/b.png', null, null, './/images/a.png'],
    ],
    ['null', null, [], null],
    ['an empty list', [], [], []],
    ['a file in data/', 'c.png', ['data/c.png C'], 'c.png'],
    ["a file beside the row's own", 'd.png', ['train/d.png D'], 'd.png'],
  ])('takes %s', async (_what, image, files, left) => {
    const outcome = await attached([row(0, image, folder())]);
    expect(outcome.rejects).toEqual([]);
    const [own, ...views] = outcome.documents;
    expect(views.map(({ source, bytes: content }) => `${source.uri} ${Buffer.from(content)}`)).toEqual(files);
    expect(own?.meta).toEqual({ lang: 'en', image: left });
  });

  it('numbers files by their place, column by column as they were named', async () => {
    const both = { ...row(0, 'images/a.png', folder()), meta: { more: [null, 'images/b.png'], image: 'images/a.png' } };
    const { documents } = await attached([both], { columns: ['image', 'more'] });
    expect(documents.map(({ id }) => id)).toEqual(['r0', 'r0#image/0', 'r0#more/1']);
    expect((await attached([both], { columns: ['more'] })).documents[0]?.meta).toEqual({
      more: [null, 'images/b.png'],
      image: 'images/a.png',
    });
  });

  it('leaves the text out where it is told so, and keeps the record that a row belongs to', async () => {
    const view = { ...row(0, 'images/a.png', folder()), record: 'sample' };
    const { documents } = await attached([view], { text: false });
    expect(documents.map(({ id, record }) => [id, record])).toEqual([['r0#image/0', 'sample']]);
  });

  it('resolves against a base of its own, before that of the rows', async () => {
    const other = temporaryFolder();
    writeFileSync(join(other, 'a.png'), 'other');
    expect(shown(await attached([row(0, 'a.png', folder())], { base: other, text: false }))).toEqual([
      'r0#image/0 a.png other',
    ]);
    const nowhere = await attached([row(0, 'a.png')]);
    expect(nowhere.rejects).toMatchObject([{ code: 'MISSING_REFERENCE', hint: expect.stringContaining('base') }]);
  });

  it('says nothing of where this machine keeps its files', async () => {
    const base = folder();
    const outcome = await attached([row(0, 'images/a.png', base), row(1, 'gone.png', base), row(2, '../x', base)]);
    const written = [...outcome.documents.slice(1, 2), ...outcome.documents.map(({ meta, id }) => ({ meta, id }))];
    expect(
      JSON.stringify([written, outcome.rejects.map(({ message, hint, path }) => [message, hint, path])]),
    ).not.toContain(base);
  });
});

describe('a file that cannot be had', () => {
  it.each<[MetaValue, string]>([
    ['gone.png', 'MISSING_REFERENCE'],
    ['images', 'UNREADABLE'],
    ['../secret', 'UNSAFE_REFERENCE'],
    ['/etc/hostname', 'UNSAFE_REFERENCE'],
    ['images/out', 'UNSAFE_REFERENCE'],
    ['outside/secret', 'UNSAFE_REFERENCE'],
    ['loop', 'UNSAFE_REFERENCE'],
    ['file:///etc/hostname', 'UNSAFE_REFERENCE'],
    ['', 'BAD_REFERENCE'],
    ['gs://bucket/a.png', 'BAD_REFERENCE'],
    ['https://example.org/a.png', 'HOST_NOT_ALLOWED'],
    ['http://169.254.169.254/latest', 'HOST_NOT_ALLOWED'],
    ['s3://bucket/a.png', 'HOST_NOT_ALLOWED'],
    ['data:image/png;base64,AAAAAAAAAAAA', 'REFERENCE_TOO_LARGE'],
    [bytes('more than four'), 'REFERENCE_TOO_LARGE'],
    ['large.png', 'REFERENCE_TOO_LARGE'],
    [7, 'WRONG_REFERENCE'],
    [{ width: 3 }, 'WRONG_REFERENCE'],
    [[['images/a.png']], 'WRONG_REFERENCE'],
    [{ bytes: 'AAEC' }, 'WRONG_REFERENCE'],
  ])('%j is a reject, %s', async (image, code) => {
    const base = folder();
    const outside = mkdtempSync(join(temporaryFolder(), 'outside-'));
    writeFileSync(join(outside, 'secret'), 's');
    writeFileSync(join(base, 'large.png'), 'large');
    symlinkSync(join(outside, 'secret'), join(base, 'images', 'out'));
    symlinkSync(outside, join(base, 'outside'));
    symlinkSync('loop', join(base, 'loop'));
    const { documents, rejects } = await attached([row(4, image, base)], { maxReferenceBytes: 4 });
    expect(documents.map(({ id }) => id)).toEqual(['r4']);
    expect(rejects).toMatchObject([
      { name: 'RecordError', code, path: 'train/rows.jsonl', position: { ordinal: 4, line: 5 } },
    ]);
    expect(rejects[0]?.message).toContain("column 'image'");
    expect(rejects[0]?.message).not.toContain(base);
  });

  it('says which it is, where it was looked for, and what to do', async () => {
    const { rejects } = await attached([row(0, ['images/a.png', 'gone/x.png'], folder())]);
    expect(rejects[0]?.message).toBe(
      "'gone/x.png' (column 'image', entry 1): looked for gone/x.png, data/gone/x.png, train/gone/x.png beside the source",
    );
    expect(rejects[0]?.hint).toBe('Check the reference, the base and the archive rules of attach.');
  });

  it('may take the whole record with it', async () => {
    const base = folder();
    const rows = [row(0, ['images/a.png', 'x.png', 'y.png'], base), row(1, 'images/b.png', base)];
    const outcome = await attached(rows, { onMissing: 'record' });
    expect(outcome.documents.map(({ id }) => id)).toEqual(['r1', 'r1#image/0']);
    expect(outcome.rejects).toMatchObject([{ code: 'MISSING_REFERENCE', position: { ordinal: 0 } }]);
    expect(outcome.rejects[0]?.message).toMatch(/x\.png.*, and 1 more of its files$/);
  });

  it('is an error where no run is listening', async () => {
    const flow = pull(() => [[row(0, '../x', '/')]]).pipe(attach({ columns: ['image'] }));
    await expect(lastValueFrom(flow)).rejects.toMatchObject({ name: 'RecordError', code: 'UNSAFE_REFERENCE' });
  });

  it('is one of a column that is not there, with the nearest name', async () => {
    const { rejects } = await attached([row(0, 'images/a.png', folder())], { columns: ['imgae'] });
    expect(rejects).toMatchObject([{ code: 'MISSING_COLUMN', hint: expect.stringContaining("Did you mean 'image'?") }]);
  });

  it('stops the run where it has changed since it was found', async () => {
    const base = folder();
    // Too large to be kept in memory between two rows.
    const large = Buffer.alloc(17 << 20);
    writeFileSync(join(base, 'a.bin'), large);
    const flow = attach(impatient({}));
    await through(flow, [row(0, 'a.bin', base)]);
    writeFileSync(join(base, 'a.bin'), large.subarray(1));
    await expect(through(flow, [row(1, 'a.bin', base)])).rejects.toMatchObject({
      name: 'SourceError',
      code: 'INPUT_CHANGED',
      path: 'a.bin',
    });
  });
});

describe('files at URLs', () => {
  it('are fetched once, whoever points to them, and come out of the cache the next time', async () => {
    const server = await web({ '/a.png': 'A', '/b.png': 'B' });
    const rows = Array.from({ length: 40 }, (_, i) => row(i, `${server.url}/${i % 2 === 0 ? 'a' : 'b'}.png?k=1#x${i}`));
    const options = impatient({ text: false, remote: { http: { endpoints: [server.url] } } });
    const first = await through(attach(options), rows);
    expect(first.rejects).toEqual([]);
    expect(first.documents.map(({ bytes: own }) => Buffer.from(own).toString())).toEqual(
      rows.map((_, i) => (i % 2 === 0 ? 'A' : 'B')),
    );
    expect(server.gets.sort()).toEqual(['/a.png?k=1', '/b.png?k=1']);
    const again = await through(attach(options), rows);
    expect(shown(again)).toEqual(shown(first));
    expect(server.gets).toHaveLength(2);
    expect(JSON.stringify(first.documents.map(({ source }) => source))).not.toContain('k=1');
  });

  it('are asked for without credentials of the Hub', async () => {
    const credentials: unknown[] = [];
    const server = await web({
      '/a.png': ({ headers, method }, response) => {
        credentials.push(headers.authorization);
        response.writeHead(200, { 'content-length': 1 }).end(method === 'HEAD' ? '' : 'A');
      },
    });
    const remote = { hub: { token: 'hf_secret' }, http: { endpoints: [server.url] } };
    await attached([row(0, `${server.url}/a.png`)], { remote });
    expect(credentials).toEqual([undefined, undefined]);
  });

  it('stay what they were, and are fetched anew where the cache was damaged', async () => {
    const server = await web({ '/a.png': 'A' });
    const cache = temporaryFolder();
    const options = impatient({ text: false, cache, remote: { http: { endpoints: [server.url] } } });
    await through(attach(options), [row(0, `${server.url}/a.png`)]);
    const [entry = '', facts = ''] = readdirSync(join(cache, 'http')).sort();
    expect(entry).toMatch(/^[0-9a-f]{64}$/);
    expect(JSON.parse(readFileSync(join(cache, 'http', facts), 'utf8'))).toMatchObject({
      size: 1,
      url: `${server.url}/a.png`,
    });
    writeFileSync(join(cache, 'http', entry), 'X');
    await expect(through(attach(options), [row(0, `${server.url}/a.png`)])).rejects.toMatchObject({
      name: 'SourceError',
      code: 'DAMAGED_CACHE',
    });
    expect(shown(await through(attach(options), [row(0, `${server.url}/a.png`)]))[0]).toContain('a.png A');
    expect(server.gets).toHaveLength(2);
  });

  it('are not taken from hosts that are not allowed, in private networks, or behind a redirect to either, cached or not', async () => {
    const inner = await web({ '/secret': 's' });
    const server = await web({
      '/a.png': 'A',
      '/to': (_request, response) => void response.writeHead(302, { location: `${inner.url}/secret` }).end(),
      '/far': (_request, response) => void response.writeHead(302, { location: 'http://169.254.169.254/' }).end(),
    });
    const cache = temporaryFolder();
    const codes = async (options: Parameters<typeof attached>[1], path: string) =>
      (await attached([row(0, path)], { cache, ...options })).rejects.map(({ code }) => code);
    const endpoint = { remote: { http: { endpoints: [server.url] } } };
    expect(await codes(endpoint, `${server.url}/a.png`)).toEqual([]);
    expect(await codes({}, `${server.url}/a.png`)).toEqual(['HOST_NOT_ALLOWED']);
    // Allowed as a host, but it lies in a private network, and nobody configured it.
    expect(await codes({ hosts: [server.host] }, `${server.url}/a.png`)).toEqual(['HOST_NOT_ALLOWED']);
    expect(await codes(endpoint, `${server.url}/to`)).toEqual(['HOST_NOT_ALLOWED']);
    expect(await codes(endpoint, `${server.url}/far`)).toEqual(['HOST_NOT_ALLOWED']);
    expect(inner.gets).toEqual([]);
  });

  it('are relative to a base that is one', async () => {
    const server = await web({ '/set/a%20b.png': 'A', '/set/data/c.png': 'C' });
    const options = { text: false, base: `${server.url}/set/`, remote: { http: { endpoints: [server.url] } } };
    const outcome = await attached([row(0, ['a b.png', 'c.png', 'd.png'])], options);
    expect(shown(outcome)).toEqual([
      `r0#image/0 ${server.url}/set/a%20b.png A`,
      `r0#image/1 ${server.url}/set/data/c.png C`,
    ]);
    expect(outcome.rejects).toMatchObject([
      { code: 'MISSING_REFERENCE', message: expect.stringContaining('data/d.png') },
    ]);
  });

  it('are rejects where the server has none, refuses, or sends too much', async () => {
    const server = await web({
      '/closed': (_request, response) => void response.writeHead(403).end(),
      '/large': (request, response) =>
        void response.writeHead(200, { 'content-length': 1000 }).end(request.method === 'HEAD' ? '' : 'x'.repeat(1000)),
      // No length is told, so nobody knows before it is there.
      '/endless': (_request, response) => {
        response.writeHead(200);
        response.write('x'.repeat(600));
        response.end('x'.repeat(400));
      },
      '/chunked': (_request, response) => {
        response.writeHead(200);
        response.write('o');
        response.end('k');
      },
    });
    const rows = ['none', 'closed', 'large', 'endless', 'chunked'].map((name, i) => row(i, `${server.url}/${name}`));
    const outcome = await attached(rows, {
      text: false,
      maxReferenceBytes: 100,
      remote: { http: { endpoints: [server.url] } },
    });
    expect(outcome.rejects.map(({ code }) => code)).toEqual([
      'MISSING_REFERENCE',
      'FORBIDDEN_REFERENCE',
      'REFERENCE_TOO_LARGE',
      'REFERENCE_TOO_LARGE',
    ]);
    expect(shown(outcome)).toEqual([`r4#image/0 ${server.url}/chunked ok`]);
  });

  it('stop the run where a configured server fails, and are rejects where another does, which is soon left alone', async () => {
    let asked = 0;
    const server = await web(
      Object.fromEntries(
        Array.from({ length: 20 }, (_, i) => [
          `/${i}`,
          (_request, response) => {
            asked++;
            response.writeHead(503).end();
          },
        ]),
      ),
    );
    const rows = Array.from({ length: 20 }, (_, i) => row(i, `${server.url}/${i}`));
    await expect(attached(rows, { remote: { http: { endpoints: [server.url] } } })).rejects.toMatchObject({
      name: 'SourceError',
      code: 'NETWORK',
    });
    asked = 0;
    const outcome = await attached(rows, { hosts: [server.host], remote: { http: { allowPrivate: true } } });
    expect(outcome.rejects.map(({ code }) => code)).toEqual(rows.map(() => 'UNREACHABLE'));
    expect(asked).toBeLessThanOrEqual(2 * (3 + 4));
  });
});

describe('order', () => {
  it('is that of the rows and columns, however long anything takes, and many ask for a file only once', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 4 }), { minLength: 1, maxLength: 12 }),
        fc.integer({ min: 1, max: 6 }),
        fc.infiniteStream(fc.integer({ min: 0, max: 8 })),
        async (pointed, concurrency, delays) => {
          const files = Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`/${i}`, `file ${i}`]));
          const server = await web(files, () => delays.next().value);
          const rows = pointed.map((numbers, i) =>
            row(
              i,
              numbers.map((n) => `${server.url}/${n}`),
            ),
          );
          const outcome = await attached(rows, { concurrency, remote: { http: { endpoints: [server.url] } } });
          const expected = pointed.flatMap((numbers, i) => [
            `r${i}`,
            ...numbers.flatMap((n, place) => (n < 9 ? [`r${i}#image/${place}`] : [])),
          ]);
          expect(outcome.documents.map(({ id }) => id)).toEqual(expected);
          expect(outcome.rejects.map(({ position }) => position?.ordinal)).toEqual(
            pointed.flatMap((numbers, i) => numbers.filter((n) => n === 9).map(() => i)),
          );
          const wanted = [...new Set(pointed.flat())].filter((n) => n < 9).map((n) => `/${n}`);
          expect(server.gets.sort()).toEqual(wanted.sort());
        },
      ),
      { numRuns: 25 },
    );
  });
});

describe('options', () => {
  it.each([
    [{ columns: [] }, 'BAD_OPTION'],
    [{ columns: ['a', 'a'] }, 'BAD_OPTION'],
    [{ base: '' }, 'BAD_OPTION'],
    [{ base: 'gs://bucket' }, 'BAD_OPTION'],
    [{ base: 'hf://datasets/nobody' }, 'BAD_OPTION'],
    [{ hosts: ['https://example.org'] }, 'BAD_OPTION'],
    [{ maxReferenceBytes: 0 }, 'BAD_OPTION'],
    [{ concurrency: 0.5 }, 'BAD_OPTION'],
    [{ archives: [{ prefix: '/images', archives: 'a.tar' }] }, 'BAD_RULE'],
    [{ archives: [{ prefix: 'https://x/', archives: 'a.tar' }] }, 'BAD_RULE'],
    [{ archives: [{ prefix: 'images/', archives: [] }] }, 'BAD_RULE'],
    [{ archives: [{ prefix: 'images/', archives: 'a_{1..99999}.tar' }] }, 'BAD_RULE'],
    [{ archives: [{ prefix: 'images/', dataset: 'nobody', archives: 'a.tar' }] }, 'BAD_RULE'],
    [{ archives: [{ prefix: 'images/', strip: true, folder: 'x', archives: 'a.tar' }] }, 'BAD_RULE'],
  ])('%j is refused as %s', (options, code) => {
    expect(() => attach({ columns: ['image'], ...options })).toThrow(
      expect.objectContaining({ name: 'PipelineError', code }),
    );
  });
});
