import { truncateSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { loopback, temporaryFolder } from '../storage/hub/helpers.ts';
import { plainOutput } from '../storage/hub/push/plainOutput.ts';
import type { Hub } from '../support/hub/hub.ts';
import { type Ended, sluice } from '../support/sluice.ts';

const files = {
  'shards/00000-000000.safetensors': Buffer.alloc(100_000, 'tensors '),
  'lines/00000.txt': 'some lines\n',
};

async function output(): Promise<string> {
  const root = temporaryFolder();
  await plainOutput(root, files);
  return root;
}

const push = (hub: Hub, args: readonly string[], token = hub.token): Promise<Ended> =>
  sluice(['push', ...args], { env: { HF_ENDPOINT: hub.url, HF_TOKEN: token, HF_HOME: temporaryFolder() } });

describe('sluice push', () => {
  it('makes a dataset, fills it, and has nothing to do the next time', async () => {
    const hub = await loopback({});
    const root = await output();
    const missing = await push(hub, [root, 'me/data']);
    expect(missing).toMatchObject({ code: 1, stdout: '' });
    expect(missing.stderr).toMatch(/\[(NOT_FOUND|NOT_AUTHORISED)\]/);
    expect(missing.stderr).toContain('Add --create to make it');
    const first = await push(hub, [root, 'me/data', '--create', '--private', '--path', 'v1', '--message', 'first']);
    expect(first).toMatchObject({ code: 0, stdout: '' });
    const repository = hub.repository('me/data');
    expect(first.stderr).toContain('made the dataset me/data\npushed 3 files, 101 kB; 0 were there\n');
    expect(first.stderr).toContain(`commit ${repository.at()?.id}\n`);
    expect(repository.at()).toMatchObject({ message: 'first' });
    expect(await repository.read('v1/shards/00000-000000.safetensors')).toEqual(
      files['shards/00000-000000.safetensors'],
    );
    const second = await push(hub, [root, 'me/data', '--path', 'v1', '--json']);
    expect(second.code).toBe(0);
    expect(JSON.parse(second.stdout)).toMatchObject({ committed: false, kept: 3, commit: repository.at()?.id });
    expect(second.stderr).toBe('');
  });

  it('says where to get a token that may write', async () => {
    const hub = await loopback({ repositories: { 'o/n': {} } });
    const root = await output();
    hub.fault({ kind: 'status', status: 403, match: /preupload/, times: 9 });
    const refused = await push(hub, [root, 'o/n']);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('[FORBIDDEN]');
    expect(refused.stderr).toContain(`Make a token that may write to 'o/n' on ${hub.url}/settings/tokens.`);
  });

  it('says what is wrong, and never the token', async () => {
    const hub = await loopback({ repositories: { 'o/n': {} } });
    const root = await output();
    const wrong = await push(hub, [root, 'o/n'], 'hf_secret');
    expect(wrong.code).toBe(1);
    expect(wrong.stderr).toContain('HF_TOKEN [NOT_AUTHORISED]');
    expect(wrong.stdout + wrong.stderr).not.toContain('secret');
    expect(await push(hub, [root, 'o/n', '--private'])).toMatchObject({ code: 2 });
    truncateSync(path.join(root, 'lines/00000.txt'), 3);
    const damaged = await push(hub, [root, 'o/n']);
    expect(damaged.code).toBe(5);
    expect(damaged.stderr).toContain('lines/00000.txt');
    expect(hub.repository('o/n').commits).toBe(1);
  });
});
