import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { describe, expect, it, onTestFinished } from 'vitest';
import { folder, hf, parquet, type Split } from '../../src/sources/index.ts';
import type { RemoteOptions } from '../../src/storage/remoteOptions.ts';
import type { Fault } from '../support/hub/faults.ts';
import { type Hub, startHub } from '../support/hub/hub.ts';
import { type Reject, readAll, readSplit, text } from './helpers.ts';

const ROWS = 400;
const PER_FILE = 200;

/** Texts that are a third of a file: the images beside them are not asked for. */
function shard(first: number, rows = PER_FILE): Uint8Array {
  const numbers = Array.from({ length: rows }, (_, n) => first + n);
  return new Uint8Array(
    parquetWriteBuffer({
      codec: 'UNCOMPRESSED',
      rowGroupSize: 50,
      columnData: [
        { name: 'id', data: numbers.map((n) => `r${n}`), type: 'STRING' },
        { name: 'image', data: numbers.map(() => randomBytes(2000)), type: 'BYTE_ARRAY' },
        { name: 'text', data: numbers.map((n) => `text ${n} ${'é'.repeat(400)}`), type: 'STRING' },
        { name: 'score', data: numbers.map((n) => BigInt(n)), type: 'INT64' },
      ],
    }),
  );
}

const files = {
  'README.md':
    '---\nconfigs:\n- config_name: small\n  data_files:\n  - split: train\n    path: small/*.parquet\n---\n# Data\n',
  'small/000.parquet': shard(0),
  'small/001.parquet': shard(PER_FILE),
};

interface Setup {
  readonly hub: Hub;
  readonly cacheFolder: string;
  remote(more?: RemoteOptions): RemoteOptions;
}

async function setUp(repositories: Parameters<typeof startHub>[0]): Promise<Setup> {
  const hub = await startHub(repositories);
  const cacheFolder = mkdtempSync(join(tmpdir(), 'sluice-hf-'));
  onTestFinished(async () => {
    await hub.close();
    rmSync(cacheFolder, { recursive: true });
  });
  return {
    hub,
    cacheFolder,
    remote: (more = {}) => ({
      ...more,
      hub: { endpoint: hub.url, token: false, cacheFolder, ...more.hub },
      http: { backoff: { firstMs: 1, mostMs: 5 }, stallMs: 400, retries: 4, ...more.http },
    }),
  };
}

const columns = { id: 'string', text: 'string' } as const;
const expected = Array.from({ length: ROWS }, (_, n) => `text ${n} ${'é'.repeat(400)}`);

async function plan(source: ReturnType<typeof hf>, warnings: string[] = []): Promise<Split[]> {
  const splits: Split[] = [];
  const context = { splitBytes: 100_000, reject: () => {}, warn: (warning: string) => warnings.push(warning) };
  for await (const split of source.splits(context)) splits.push({ ...split, id: String(splits.length) });
  return splits;
}

describe('a split of a dataset on the Hub', () => {
  it('is streamed: no more than its columns is fetched', async () => {
    const { hub, remote } = await setUp({ repositories: { 'o/d': { files } } });
    const { records, rejects } = await readAll(hf('o/d', { config: 'small', columns, remote: remote() }), 100_000);
    expect(rejects).toEqual([]);
    expect(records.map(text)).toEqual(expected);
    expect(records[250]?.source.uri).toBe('small/001.parquet');
    const needed = records.reduce((sum, { bytes, id }) => sum + bytes.length + 4 + id.length + 4, 0);
    const fetched = hub.bytes(/\/files\//);
    // The ends of both files, where their tables of contents are, are guessed to take 64 KiB each.
    expect(fetched).toBeLessThan(needed * 1.1 + 2 * (64 << 10));
  });

  it('is fetched whole and verified with cache, and then never again', async () => {
    const { hub, cacheFolder, remote } = await setUp({ repositories: { 'o/d': { files } } });
    const source = () => hf('o/d', { config: 'small', columns, remote: remote({ cache: true }) });
    expect((await readAll(source())).records.map(text)).toEqual(expected);
    const all = files['small/000.parquet'].length + files['small/001.parquet'].length;
    expect(hub.bytes(/\/files\//)).toBe(all);
    expect(readdirSync(join(cacheFolder, 'datasets--o--d')).sort()).toEqual(
      expect.arrayContaining(['blobs', 'refs', 'snapshots']),
    );
    expect((await readAll(source())).records.map(text)).toEqual(expected);
    expect(hub.bytes(/\/files\//)).toBe(all);
    const offline = hf('o/d', { config: 'small', columns, remote: remote({ cache: true, hub: { offline: true } }) });
    const before = hub.log.length;
    expect((await readAll(offline)).records.map(text)).toEqual(expected);
    expect(hub.log).toHaveLength(before);
  });

  it('has the same plan whether it is streamed or lies in the cache', async () => {
    const { remote } = await setUp({ repositories: { 'o/d': { files } } });
    const source = (options = {}) => hf('o/d', { config: 'small', columns, remote: remote(options) });
    const streamed = await plan(source());
    expect(await plan(source({ cache: true }))).toEqual(streamed);
    expect(await plan(source())).toEqual(streamed);
  });

  it('keeps to the commit of the plan, whatever happens to the branch', async () => {
    const { hub, remote } = await setUp({ repositories: { 'o/d': { files } } });
    const splits = await plan(hf('o/d', { config: 'small', columns, remote: remote() }));
    expect(JSON.stringify(splits[0]?.spec)).toMatch(/hf:\/\/datasets\/o\/d@[0-9a-f]{40}/);
    hub.repository('o/d').put({ 'small/000.parquet': shard(7000) });
    // Another process, which has only the plan.
    const later = hf('o/d', { config: 'small', columns, remote: remote() });
    const records = (await Promise.all(splits.map((split) => readSplit(later, split)))).flat();
    expect(records.map(text)).toEqual(expected);
    const again = await readAll(hf('o/d', { config: 'small', columns, remote: remote() }));
    expect(again.records[0]?.id).toBe('r7000');
  });

  it('leaves out row groups that cannot hold a wanted row', async () => {
    const { hub, remote } = await setUp({ repositories: { 'o/d': { files } } });
    const wanted = { ...columns, score: 'int64' } as const;
    const source = hf('o/d', { config: 'small', columns: wanted, where: { score: { gte: 375n } }, remote: remote() });
    const { records } = await readAll(source, 100_000);
    expect(records.map(({ meta }) => meta.score)).toEqual(Array.from({ length: 25 }, (_, n) => BigInt(375 + n)));
    expect(hub.bytes(/\/files\//)).toBeLessThan(2 * (64 << 10) + 60_000);
  });

  it('comes from the copy that the Hub makes, with a warning where that is not all of it', async () => {
    const repository = {
      files: { 'data.txt': 'not a table' },
      branches: { 'refs/convert/parquet': { 'default/partial-train/0000.parquet': shard(0) } },
    };
    const { remote } = await setUp({ repositories: { 'o/d': repository } });
    const warnings: string[] = [];
    const splits = await plan(hf('o/d', { columns, remote: remote() }), warnings);
    expect(splits.length).toBeGreaterThan(0);
    expect(warnings.join('\n')).toMatch(/copy.*has only the first part of the split 'train'/s);
  });

  it.each([
    ['train.jsonl', expected.map((body, n) => JSON.stringify({ id: `r${n}`, text: body })).join('\n')],
    ['train.json', JSON.stringify(expected.map((body, n) => ({ id: `r${n}`, text: body })))],
    ['train.csv', `id,text\n${expected.map((body, n) => `r${n},"${body}"`).join('\n')}\n`],
  ])('is read from %s where there is no Parquet', async (name, body) => {
    const { remote } = await setUp({ repositories: { 'o/d': { files: { [name]: body } } } });
    const { records } = await readAll(hf('o/d', { columns, remote: remote() }), 50_000);
    expect(records.map(text)).toEqual(expected);
    expect(records[3]?.id).toBe('r3');
  });

  it('is also a place of files for other sources, which take what they read of it', async () => {
    const more = { ...files, 'raw/a.txt': 'alpha', 'raw/deep/b.txt': 'beta' };
    const { remote } = await setUp({ repositories: { 'o/d': { files: more } } });
    const tables = await readAll(parquet('hf://datasets/o/d', { columns, remote: remote() }));
    expect(tables.rejects).toEqual([]);
    expect(tables.records.map(text)).toEqual(expected);
    const one = await readAll(parquet('hf://datasets/o/d@main/small/001.parquet', { columns, remote: remote() }));
    expect(one.records.map(text)).toEqual(expected.slice(PER_FILE));
    expect(one.records[0]?.source.uri).toMatch(/^hf:\/\/datasets\/o\/d@[0-9a-f]{40}\/small\/001\.parquet$/);
    const plain = await readAll(folder('hf://datasets/o/d/raw/**', { remote: remote() }));
    expect(plain.records.map(text)).toEqual(['alpha', 'beta']);
  });

  it('is not guessed at: what there is is listed', async () => {
    const { remote } = await setUp({ repositories: { 'o/d': { files } } });
    const problem = (options: object) => plan(hf('o/d', { columns, remote: remote(), ...options }));
    await expect(problem({ config: 'smal' })).rejects.toMatchObject({
      code: 'NO_CONFIG',
      hint: expect.stringContaining('small'),
    });
    await expect(problem({ split: 'tain' })).rejects.toMatchObject({
      code: 'NO_SPLIT',
      hint: expect.stringContaining('train'),
    });
    await expect(problem({ revision: 'none' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(plan(hf('o/none', { columns, remote: remote() }))).rejects.toThrow("there is no dataset 'o/none'");
    expect(() => hf('no-owner')).toThrow(expect.objectContaining({ code: 'BAD_REPOSITORY' }));
  });
});

/** Each spoils one answer; together they come upon every kind of request that a run makes. */
const faults: readonly [string, readonly Fault[]][] = [
  ['429 with a wait', [{ kind: 'status', status: 429, retryAfter: 0.02, times: 3 }]],
  ['503', [{ kind: 'status', status: 503, times: 3 }]],
  ['resets', [{ kind: 'reset', times: 3 }]],
  ['cut bodies', [{ kind: 'cut', after: 900, origin: 'cdn', times: 3 }]],
  ['short bodies', [{ kind: 'short', by: 100, origin: 'cdn', times: 2 }]],
  ['stalled bodies', [{ kind: 'stall', after: 500, ms: 5000, origin: 'cdn', times: 1 }]],
  ['expired redirects', [{ kind: 'expired', times: 2 }]],
  ['ignored ranges', [{ kind: 'norange', origin: 'cdn', times: 1 }]],
];

describe('whatever the Hub does', () => {
  for (const cache of [false, true]) {
    it.each(faults)(`every row arrives, ${cache ? 'through the cache' : 'streamed'}: %s`, async (_, spoiled) => {
      const { hub, remote } = await setUp({ repositories: { 'o/d': { files } } });
      for (const fault of spoiled) hub.fault(fault);
      const rejects: Reject[] = [];
      const outcome = await readAll(hf('o/d', { config: 'small', columns, remote: remote({ cache }) }), 100_000);
      expect(rejects).toEqual([]);
      expect(outcome.records.map(text)).toEqual(expected);
    });
  }

  it('damaged bytes are not taken: the file is fetched once more, then the run stops and names it', async () => {
    const { hub, remote } = await setUp({ repositories: { 'o/d': { files } } });
    const source = () => hf('o/d', { config: 'small', columns, remote: remote({ cache: true }) });
    hub.fault({ kind: 'corrupt', at: 5000, origin: 'cdn' });
    expect((await readAll(source())).records.map(text)).toEqual(expected);
    const second = await setUp({ repositories: { 'o/d': { files } } });
    second.hub.fault({ kind: 'corrupt', at: 5000, origin: 'cdn', times: 9 });
    const broken = hf('o/d', { config: 'small', columns, remote: second.remote({ cache: true }) });
    await expect(readAll(broken)).rejects.toMatchObject({
      code: 'CORRUPT_DOWNLOAD',
      path: expect.stringMatching(/small\/00\d\.parquet$/),
    });
  });

  it('another version of a file is not taken', async () => {
    const { hub, remote } = await setUp({ repositories: { 'o/d': { files } } });
    hub.fault({ kind: 'etag', value: 'f'.repeat(64), match: /resolve|files/, times: 99 });
    await expect(readAll(hf('o/d', { config: 'small', columns, remote: remote() }))).rejects.toMatchObject({
      code: 'INPUT_CHANGED',
      path: expect.stringMatching(/\.parquet/),
    });
  });

  it('a Hub that stays away stops the run, and the message holds no token', async () => {
    const { hub, remote } = await setUp({ repositories: { 'o/d': { files } } });
    const options = remote({ hub: { token: hub.token } });
    const source = hf('o/d', { config: 'small', columns, remote: options });
    const [split] = await plan(source);
    hub.fault({ kind: 'status', status: 503, times: 999 });
    const error = await readSplit(source, split as Split).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'NETWORK', path: expect.stringContaining('small/000.parquet') });
    expect(JSON.stringify(error) + String(error)).not.toContain(hub.token);
  });

  it('gated datasets say what they need', async () => {
    const { hub, remote } = await setUp({ repositories: { 'o/d': { files, gated: true } } });
    await expect(plan(hf('o/d', { columns, remote: remote() }))).rejects.toMatchObject({
      code: 'NOT_AUTHORISED',
      hint: expect.stringContaining('HF_TOKEN'),
    });
    const splits = await plan(hf('o/d', { columns, remote: remote({ hub: { token: hub.token } }) }));
    expect(splits.length).toBeGreaterThan(0);
    expect(hub.log.filter(({ origin, authorised }) => origin === 'cdn' && authorised)).toEqual([]);
  });
});
