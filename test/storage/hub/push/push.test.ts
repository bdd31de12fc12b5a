import { appendFile, readFile, rm, truncate } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { type PushOptions, type PushReport, pushOutput } from '../../../../src/storage/hub/push/push.ts';
import type { Hub, HubSetup } from '../../../support/hub/hub.ts';
import { loopback, optionsFor, QUICK, temporaryFolder } from '../helpers.ts';
import { plainOutput } from './plainOutput.ts';

const files = {
  'shards/00000-000000.safetensors': Buffer.alloc(300_000, 'tensors '),
  'shards/00000-000001.safetensors': Buffer.alloc(100_000, 'more '),
  'lines/00000.txt': 'some lines\n',
  'lines/00000-empty.txt': '',
};
const names = [...Object.keys(files), 'manifest.json'].sort();
const shard = 'shards/00000-000000.safetensors';
const README = { 'README.md': '# mine\n', '.gitattributes': '' };

async function output(contents: Readonly<Record<string, string | Uint8Array>> = files): Promise<string> {
  const root = temporaryFolder();
  await plainOutput(root, contents);
  return root;
}

const start = (setup: Omit<HubSetup, 'repositories'> = {}): Promise<Hub> =>
  loopback({
    users: { hf_reader: { name: 'reader', role: 'read', access: 'all' } },
    repositories: { 'o/n': { files: README, branches: { dev: {} } } },
    ...setup,
  });

interface Push extends PushOptions {
  readonly root?: string;
  readonly repository?: string;
  readonly token?: string | false;
}

async function push(
  hub: Hub,
  { root, repository = 'o/n', token = hub.token, ...rest }: Push = {},
): Promise<PushReport> {
  const options = { hub: optionsFor(hub, { token }), http: QUICK, ...rest };
  return pushOutput(root ?? (await output()), repository, options);
}

const filesOf = (hub: Hub, repository = 'o/n', revision = 'main'): string[] => [
  ...(hub.repository(repository).at(revision)?.files.keys() ?? []),
];
const sent = (hub: Hub, method: string, match = /./): number =>
  hub.log.filter((entry) => entry.method === method && match.test(entry.url)).length;

async function isWhole(hub: Hub, folder = '', revision = 'main'): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    const there = await hub.repository('o/n').read(folder + name, revision);
    expect(there.equals(Buffer.from(content)), name).toBe(true);
  }
}

describe('pushOutput', () => {
  it('puts all files of the manifest, and the manifest, into one commit', async () => {
    const hub = await start();
    const commits = hub.repository('o/n').commits;
    const root = await output();
    const report = await push(hub, { root });
    expect(report).toMatchObject({ repository: 'o/n', committed: true, created: false, kept: 0, foreign: [] });
    expect(report.pushed.files).toBe(names.length);
    expect(hub.repository('o/n').commits).toBe(commits + 1);
    expect(hub.repository('o/n').at()).toMatchObject({ id: report.commit, message: `test: ${names.length} files` });
    expect(filesOf(hub)).toEqual(['.gitattributes', 'README.md', ...names].sort());
    await isWhole(hub);
    expect(await hub.repository('o/n').read('manifest.json')).toEqual(await readFile(path.join(root, 'manifest.json')));
    expect(hub.log.some(({ origin, authorised }) => origin === 'cdn' && authorised)).toBe(false);
  });

  it('has nothing to do the second time', async () => {
    const hub = await start();
    const first = await push(hub);
    const commits = hub.repository('o/n').commits;
    hub.log.length = 0;
    expect(await push(hub)).toMatchObject({
      commit: first.commit,
      committed: false,
      kept: names.length,
      pushed: { files: 0, bytes: 0 },
    });
    expect(hub.repository('o/n').commits).toBe(commits);
    expect(sent(hub, 'POST') + sent(hub, 'PUT')).toBe(0);
  });

  it('sends only what is not there, and says what else is', async () => {
    const hub = await start();
    await push(hub, { path: 'a' });
    const repository = hub.repository('o/n');
    const tree: Record<string, Buffer | string> = { 'a/shards/old.safetensors': 'old', 'b/x': 'x' };
    for (const name of filesOf(hub)) tree[name] = await repository.read(name);
    repository.put({ ...tree, [`a/${shard}`]: 'changed', 'a/lines/00000.txt': 'some Lines\n' });
    hub.log.length = 0;
    const report = await push(hub, { path: '/a/', message: 'again' });
    expect(report).toMatchObject({
      pushed: { files: 2, bytes: 300_011 },
      kept: 3,
      foreign: ['a/shards/old.safetensors'],
    });
    // Its bytes were there before: only the commit names them.
    expect(sent(hub, 'PUT')).toBe(0);
    await isWhole(hub, 'a/');
    expect(repository.at()?.message).toBe('again');
    expect(filesOf(hub)).toContain('b/x');
  });

  it('may go to a branch', async () => {
    const hub = await start();
    await push(hub, { revision: 'dev' });
    await isWhole(hub, '', 'dev');
    expect(filesOf(hub)).toEqual(['.gitattributes', 'README.md']);
    await expect(push(hub, { revision: 'dve' })).rejects.toMatchObject({
      code: 'NOT_FOUND',
      hint: "Did you mean 'dev'?",
    });
  });

  it('makes the dataset where it is asked to, once', async () => {
    const hub = await start();
    const repository = 'o/new';
    await expect(push(hub, { repository })).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(await push(hub, { repository, create: 'private' })).toMatchObject({ created: true, committed: true });
    expect(hub.repository(repository).private).toBe(true);
    expect(await push(hub, { repository, create: 'private' })).toMatchObject({ created: false, committed: false });
    expect(await push(hub, { repository: 'o/open', create: 'public' })).toMatchObject({ created: true });
    expect(hub.repository('o/open').private).toBe(false);
  });

  it('uploads large files in parts where the Hub asks for it', async () => {
    const hub = await start({ partSize: 64 << 10 });
    await push(hub);
    expect(sent(hub, 'PUT', /part=/)).toBe(5 + 2);
    await isWhole(hub);
  });

  it.each([
    ['busy servers', [{ kind: 'status', status: 503, times: 4 }]],
    ['resets of requests', [{ kind: 'reset', match: /GET|preupload|batch/, times: 3 }]],
    [
      'broken uploads',
      [
        { kind: 'reset', match: /PUT/, times: 3 },
        { kind: 'status', status: 500, match: /PUT/ },
      ],
    ],
    ['addresses that expire', [{ kind: 'status', status: 403, match: /PUT/, times: 2 }]],
    ['a limit of requests', [{ kind: 'status', status: 429, retryAfter: 0, match: /POST/, times: 2 }]],
  ] as const)('is whole despite %s', async (_, faults) => {
    const hub = await start();
    hub.fault(...faults);
    expect(await push(hub)).toMatchObject({ committed: true });
    await isWhole(hub);
  });

  it('makes one commit where the answer to it is lost', async () => {
    const hub = await start();
    const { commits } = hub.repository('o/n');
    hub.fault({ kind: 'cut', after: 3, match: /\/commit\// });
    const report = await push(hub);
    expect(report).toMatchObject({ committed: true, commit: hub.repository('o/n').at()?.id, pushed: { files: 5 } });
    expect(hub.repository('o/n').commits).toBe(commits + 1);
    expect(sent(hub, 'POST', /\/commit\//)).toBe(1);
  });

  it('goes onto what others commit meanwhile', async () => {
    const hub = await start();
    const onBegin = (): void => {
      const repository = hub.repository('o/n');
      if (repository.at()?.files.has('new.txt') === false) repository.put({ ...README, 'new.txt': 'in between' });
    };
    expect(await push(hub, { onBegin })).toMatchObject({ committed: true });
    await isWhole(hub);
    expect(filesOf(hub)).toContain('new.txt');
    expect(sent(hub, 'POST', /\/commit\//)).toBe(2);
    hub.fault({ kind: 'status', status: 412, match: /\/commit\//, times: 99 });
    await expect(push(hub, { path: 'again' })).rejects.toMatchObject({ code: 'CONFLICT' });
  });

  it.each<[string, Push, object]>([
    ['no token', { token: false }, { code: 'NOT_AUTHORISED', hint: expect.stringContaining('HF_TOKEN') }],
    ['offline mode', { hub: { offline: true } }, { code: 'OFFLINE' }],
    ['a wrong token', { token: 'hf_wrong' }, { code: 'NOT_AUTHORISED', message: expect.stringContaining('token') }],
    ['a token for reading', { token: 'hf_reader' }, { code: 'FORBIDDEN', message: expect.stringContaining('rights') }],
    [
      'a token for reading, to make one',
      { token: 'hf_reader', repository: 'o/new', create: 'public' },
      { code: 'FORBIDDEN' },
    ],
    ['a name without owner', { repository: 'n' }, { code: 'BAD_REPOSITORY' }],
    ['a folder that leads elsewhere', { path: '../x' }, { code: 'UNSAFE_PATH' }],
  ])('is refused with %s', async (_, options, expected) => {
    const hub = await start();
    await expect(push(hub, options)).rejects.toMatchObject(expected);
    expect(sent(hub, 'PUT')).toBe(0);
    expect(filesOf(hub)).toEqual(['.gitattributes', 'README.md']);
  });

  it('is not begun where the output is not what its manifest says, or unfinished', async () => {
    const hub = await start();
    const root = await output();
    await truncate(path.join(root, shard), 100);
    await expect(push(hub, { root })).rejects.toMatchObject({
      code: 'NOT_VERIFIED',
      message: expect.stringContaining(shard),
    });
    await rm(path.join(root, 'manifest.json'));
    await expect(push(hub, { root })).rejects.toMatchObject({ code: 'NOT_VERIFIED' });
    await rm(path.join(root, 'plan.json'));
    await expect(push(hub, { root })).rejects.toMatchObject({ code: 'NO_PLAN' });
    expect(hub.log).toEqual([]);
  });

  it('notices a file that is written to while it is pushed', async () => {
    const hub = await start();
    const root = await output();
    const change = async (): Promise<void> => appendFile(path.join(root, 'lines/00000.txt'), 'more');
    let changing = Promise.resolve();
    const onBegin = (): void => {
      changing = change();
    };
    hub.fault({ kind: 'slow', bytesPerSecond: 2000, match: /preupload/ });
    await expect(push(hub, { root, onBegin })).rejects.toMatchObject({
      code: 'CORRUPT_UPLOAD',
      path: path.join(root, 'lines/00000.txt'),
    });
    await changing;
  });

  it('tells what is to be sent, and every byte that is', async () => {
    const hub = await start();
    hub.fault({ kind: 'reset', match: /PUT/ });
    const announced: number[] = [];
    let bytes = 0;
    const report = await push(hub, {
      onBegin: (difference) => announced.push(difference.bytes),
      onProgress: (more) => {
        bytes += more;
      },
    });
    expect(announced).toEqual([report.pushed.bytes]);
    expect(bytes).toBe(400_000);
  });

  it('ends at once where it is no longer wanted', async () => {
    const hub = await start();
    for (const match of [/none/, /preupload/, /batch/]) {
      const stop = new AbortController();
      hub.fault({ kind: 'stall', after: 1, ms: 2000, match });
      const onBegin = (): void => void setTimeout(() => stop.abort(new Error('enough')), match.test('none') ? 0 : 50);
      const before = performance.now();
      await expect(push(hub, { signal: stop.signal, onBegin })).rejects.toThrow('enough');
      expect(performance.now() - before).toBeLessThan(1500);
    }
    expect(filesOf(hub)).toEqual(['.gitattributes', 'README.md']);
  });
});
