import { gzipSync } from 'node:zlib';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { attach } from '../../../src/operators/attach.ts';
import { tarOf } from '../../sources/helpers.ts';
import { type Hub, startHub } from '../../support/hub/hub.ts';
import { type Asked, attached, impatient, row, shown, through } from './flow.ts';

const ARCHIVES = 11;
const REFERENCES = 20_000;

/** Image n lies in one of the archives, in no order that rows have. */
const archiveOf = (n: number): number => (n * 7919) % ARCHIVES;
const archives = await Promise.all(
  Array.from({ length: ARCHIVES }, async (_, archive) => {
    const numbers = Array.from({ length: REFERENCES }, (_one, n) => n).filter((n) => archiveOf(n) === archive);
    return gzipSync(await tarOf(numbers.map((n) => ({ name: `${n}.png`, content: `image ${n}` }))), { level: 1 });
  }),
);

const hub: Hub = await startHub({
  repositories: {
    'owner/pictures': {
      files: {
        'images/a.png': 'A',
        'data/images/b.png': 'B',
        'images/large.bin': 'x'.repeat(200_000),
        'annotations/c.png': 'C',
        'odd names/#1 50%.png': 'odd',
      },
      branches: { 'v1.0': { 'images/a.png': 'old A' } },
    },
    'owner/raw': {
      files: Object.fromEntries(archives.map((bytes, i) => [`raw/images_${i + 1}.tar.gz`, bytes])),
    },
    'owner/many': { files: Object.fromEntries(Array.from({ length: 400 }, (_, i) => [`many/${i}.txt`, `${i}`])) },
    'owner/private': { private: true, files: { 'a.png': 'secret' } },
    'HaochenWang/TreeVGR-SFT-35K': { files: { 'rows.jsonl': '' } },
    'lmms-lab/LLaVA-NeXT-Data': {
      files: Object.fromEntries(
        await Promise.all(
          Array.from({ length: 11 }, async (_, i) => [
            `llava_next_raw_format/llava_next_raw_format_images_${i + 1}.tar.gz`,
            gzipSync(await tarOf([{ name: `coco/${i + 1}.jpg`, content: `${i + 1}` }])),
          ]),
        ),
      ),
    },
  },
});

afterAll(() => hub.close());
beforeEach(() => hub.clear());

const base = 'hf://datasets/owner/pictures@main';
const onHub = (options: Asked = {}): Asked => ({ text: false, ...options, remote: { hub: { endpoint: hub.url } } });
const gets = (pattern: RegExp): number =>
  hub.log.filter(({ method, url }) => method === 'GET' && pattern.test(url)).length;

describe('files of datasets', () => {
  it('are found at their path, in data/, and beside the row', async () => {
    const rows = [row(0, ['images/a.png', 'images/b.png', './c.png', 'odd names/#1 50%.png'], base)].map((one) => ({
      ...one,
      source: { ...one.source, uri: `${base}/annotations/rows.jsonl` },
    }));
    const outcome = await attached(rows, onHub());
    expect(outcome.rejects).toEqual([]);
    expect(outcome.documents.map(({ bytes }) => `${Buffer.from(bytes)}`)).toEqual(['A', 'B', 'C', 'odd']);
    expect(outcome.documents[1]?.source.uri).toBe('hf://datasets/owner/pictures@main/data/images/b.png');
  });

  it('are named by hf:// addresses, with a revision or without, and by addresses of the Hub', async () => {
    const rows = [
      row(0, [
        'hf://datasets/owner/pictures/images/a.png',
        'hf://datasets/owner/pictures@v1.0/images/a.png',
        `${hub.url}/datasets/owner/pictures/resolve/v1.0/images/a.png`,
        `${hub.url}/datasets/owner/pictures/resolve/main/odd%20names/%231%2050%25.png?download=true`,
      ]),
    ];
    const outcome = await attached(rows, onHub());
    expect(shown(outcome)).toEqual([
      'r0#image/0 hf://datasets/owner/pictures/images/a.png A',
      'r0#image/1 hf://datasets/owner/pictures@v1.0/images/a.png old A',
      'r0#image/2 hf://datasets/owner/pictures@v1.0/images/a.png old A',
      'r0#image/3 hf://datasets/owner/pictures@main/odd names/#1 50%.png odd',
    ]);
  });

  it('are fetched once and come out of the cache after that, even where the Hub is not to be asked', async () => {
    const rows = Array.from({ length: 50 }, (_, i) => row(i, ['images/a.png', 'images/b.png'], base));
    const options = impatient(onHub());
    const first = await through(attach(options), rows);
    expect(gets(/\/resolve\/.*a\.png/)).toBe(1);
    hub.clear();
    expect(shown(await through(attach(options), rows))).toEqual(shown(first));
    expect(gets(/\.png/)).toBe(0);
    hub.clear();
    const offline = { ...options, remote: { ...options.remote, hub: { ...options.remote?.hub, offline: true } } };
    expect(shown(await through(attach(offline), rows.slice(0, 1)))).toEqual(shown(first).slice(0, 2));
    expect(hub.log).toEqual([]);
    const other = through(attach(offline), [row(0, 'images/none.png', base)]);
    await expect(other).rejects.toMatchObject({ name: 'SourceError', code: 'OFFLINE' });
  });

  it('that do not exist, are folders, or too large are rejects', async () => {
    const rows = ['images/none.png', 'images', 'images/large.bin', '../x'].map((image, i) => row(i, image, base));
    const { rejects } = await attached(rows, onHub({ maxReferenceBytes: 1000 }));
    expect(rejects.map(({ code }) => code)).toEqual([
      'MISSING_REFERENCE',
      'MISSING_REFERENCE',
      'REFERENCE_TOO_LARGE',
      'UNSAFE_REFERENCE',
    ]);
    expect(rejects[0]?.message).toBe(
      "'images/none.png' (column 'image'): looked for images/none.png, data/images/none.png, train/images/none.png of hf://datasets/owner/pictures@main",
    );
    expect(gets(/large/)).toBe(0);
  });

  it('are listed once there are many, so that the Hub is asked about thousands at a time', async () => {
    const rows = Array.from({ length: 400 }, (_, i) =>
      row(i, i % 2 === 0 ? `many/${i}.txt` : `none/${i}.txt`, 'hf://datasets/owner/many'),
    );
    const options = impatient(onHub());
    const { documents, rejects } = await through(attach(options), rows);
    expect([documents.length, rejects.length]).toEqual([200, 200]);
    const about = () => hub.log.filter(({ url }) => /^\/api\/datasets\//.test(url)).length;
    // 32 singly, 10 pages of the loopback's listing, and the commit.
    expect(about()).toBeLessThanOrEqual(32 + 10 + 1);
    hub.clear();
    const again = await through(attach(options), rows.slice(0, 100));
    expect(again.documents).toHaveLength(50);
    expect(about()).toBeLessThanOrEqual(32 + 1);
    hub.clear();
    // The listing is there, so it is known what is not.
    const offline = { ...options, remote: { ...options.remote, hub: { ...options.remote?.hub, offline: true } } };
    expect((await through(attach(offline), rows)).rejects.map(({ code }) => code)).toEqual(
      rejects.map(({ code }) => code),
    );
    expect(hub.log).toEqual([]);
  });

  it('of datasets that a row names and nobody may see are rejects, asked about once; those of the source stop the run', async () => {
    const rows = Array.from({ length: 30 }, (_, i) =>
      row(i, `hf://datasets/owner/${['private', 'none'][i % 2]}/${i}.png`),
    );
    const { rejects } = await attached(rows, onHub());
    expect(new Set(rejects.map(({ code }) => code))).toEqual(new Set(['FORBIDDEN_REFERENCE']));
    expect(rejects).toHaveLength(30);
    expect(hub.log).toHaveLength(2);
    const own = attached([row(0, 'a.png', 'hf://datasets/owner/private')], onHub());
    await expect(own).rejects.toMatchObject({ name: 'SourceError', code: 'NOT_AUTHORISED' });
    const revision = await attached([row(0, 'hf://datasets/owner/pictures@none/a.png')], onHub());
    expect(revision.rejects).toMatchObject([{ code: 'MISSING_REFERENCE' }]);
  });

  it('stop the run where the Hub fails', async () => {
    hub.fault({ kind: 'status', status: 503, match: /paths-info/, times: 9 });
    await expect(attached([row(0, 'images/a.png', base)], onHub())).rejects.toMatchObject({
      name: 'SourceError',
      code: 'NETWORK',
    });
  });
});

describe(`${REFERENCES} references into ${ARCHIVES} archives`, () => {
  const rule = { prefix: 'images/', archives: 'hf://datasets/owner/raw/raw/images_{1..11}.tar.gz' };
  const rows = Array.from({ length: REFERENCES }, (_, i) => {
    const n = (i * 6007) % REFERENCES;
    return row(i, `images/${n}.png`);
  });
  const halves = [rows.slice(0, REFERENCES / 2), rows.slice(REFERENCES / 2)];
  const archiveBytes = archives.reduce((sum, { length }) => sum + length, 0);

  it('read each archive once, for two splits at a time and two runs at a time, and none of them in the next run', async () => {
    const options = impatient(onHub({ archives: [rule] }));
    const [mine, another] = [attach(options), attach(options)];
    const outcomes = await Promise.all([
      through(mine, halves[0]!),
      through(mine, halves[1]!),
      through(another, halves[0]!.slice(0, 1000)),
    ]);
    const [first, second] = outcomes;
    for (const [half, outcome] of [first!, second!].entries()) {
      expect(outcome.rejects).toEqual([]);
      expect(outcome.documents).toHaveLength(REFERENCES / 2);
      for (const [i, { bytes, source }] of outcome.documents.entries()) {
        const n = ((half * (REFERENCES / 2) + i) * 6007) % REFERENCES;
        const archive = `hf://datasets/owner/raw/raw/images_${archiveOf(n) + 1}.tar.gz`;
        if (source.uri !== `${archive}!/${n}.png` || `${Buffer.from(bytes)}` !== `image ${n}`) {
          expect([source.uri, `${Buffer.from(bytes)}`]).toEqual([`${archive}!/${n}.png`, `image ${n}`]);
        }
      }
    }
    expect(shown(outcomes[2]!)).toEqual(shown(first!).slice(0, 1000));
    expect(hub.bytes(/^\/files\//)).toBe(archiveBytes);
    expect(hub.bytes() - archiveBytes).toBeLessThan(50_000);

    hub.clear();
    const next = await through(attach(options), rows.slice(0, 2000));
    expect(shown(next)).toEqual(shown(first!).slice(0, 2000));
    expect(hub.bytes(/^\/files\//)).toBe(0);
  });
});

describe('the built-in table', () => {
  it('knows where the images of a dataset are kept', async () => {
    const own = 'hf://datasets/HaochenWang/TreeVGR-SFT-35K@main';
    const outcome = await attached([row(0, ['images/coco/11.jpg', 'images/coco/12.jpg'], own)], onHub());
    expect(shown(outcome)).toEqual([
      'r0#image/0 hf://datasets/lmms-lab/LLaVA-NeXT-Data/llava_next_raw_format/llava_next_raw_format_images_11.tar.gz!/coco/11.jpg 11',
    ]);
    expect(outcome.rejects).toMatchObject([{ code: 'MISSING_REFERENCE' }]);
    const other = await attached([row(0, 'images/coco/11.jpg', base)], onHub());
    expect(other.rejects).toMatchObject([{ code: 'MISSING_REFERENCE' }]);
  });
});
