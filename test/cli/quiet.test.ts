import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, it } from 'vitest';
import { sluice } from '../support/sluice.ts';

it('a command leaves nothing behind in the home and temporary folders, and no library of it reports to anybody', async () => {
  const home = await mkdtemp(path.join(tmpdir(), 'sluice-home-'));
  const text = path.join(home, 'a.txt');
  await writeFile(text, 'Call me Ishmael.');
  const env = { HOME: home, TMPDIR: home, XDG_CACHE_HOME: path.join(home, 'cache') };
  for (const args of [['entropy', text], ['doctor']]) expect((await sluice(args, { env })).code).toBe(0);
  expect(await readdir(home)).toEqual(['a.txt']);
  await rm(home, { recursive: true });
});
