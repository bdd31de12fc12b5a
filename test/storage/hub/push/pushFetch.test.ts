import { expect, it, onTestFinished } from 'vitest';
import { pushFetch } from '../../../../src/storage/hub/push/pushFetch.ts';
import { Uploads } from '../../../../src/storage/hub/push/uploads.ts';
import { clientOf, loopback } from '../helpers.ts';

it('has what is too much to be held in memory uploaded, though the Hub would take it in the commit', async () => {
  const hub = await loopback({ lfsFrom: 1 << 30, repositories: { 'o/n': {} } });
  const client = clientOf(hub, { token: hub.token });
  const uploads = new Uploads(client.httpSettings);
  onTestFinished(() => uploads.close());
  const send = pushFetch(client, uploads);
  const ask = async (...files: [string, number][]): Promise<string[]> => {
    const body = JSON.stringify({ files: files.map(([path, size]) => ({ path, size, sample: '' })) });
    const answer = await send(`${hub.url}/api/datasets/o/n/preupload/main`, { method: 'POST', body });
    const modes = (await answer.json()) as { files: { path: string; uploadMode: string }[] };
    return modes.files.map(({ path, uploadMode }) => `${path} ${uploadMode}`);
  };
  const half = 4 << 20;
  expect(await ask(['a.txt', half], ['b.parquet', 1], ['c.txt', half + 1], ['d.txt', half - 1])).toEqual([
    'a.txt regular',
    'b.parquet lfs',
    'c.txt lfs',
    'd.txt regular',
  ]);
  expect(await ask(['e.txt', 1], ['f.txt', 1])).toEqual(['e.txt regular', 'f.txt lfs']);
});
