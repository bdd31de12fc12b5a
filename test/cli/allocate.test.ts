import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, it } from 'vitest';
import { makeOutput } from '../run/output.ts';
import { temporaryFolder } from '../sinks/flow.ts';
import { sluice } from '../support/sluice.ts';

it('sluice allocate writes one file for each shard, resumes, and is verified', async () => {
  const root = await makeOutput();
  const output = path.join(await temporaryFolder(), 'out');
  const args = ['allocate', root, '--output', output, '--method', 'entropy', '--temperature', '0.8', '--r-max', '100'];
  const flags = [...args, '--level', '0.25', '--direction', 'inward', '--format', 'both', '--progress', 'off'];
  const first = await sluice(flags);
  expect([first.code, first.stderr]).toEqual([0, expect.stringContaining('patches        407')]);
  expect((await readdir(path.join(output, 'sphere'))).sort()).toEqual([
    'sphere.json',
    ...['00000-000000', '00001-000000', '00001-000001', '00001-000002'].flatMap((name) => [
      `sphere_${name}.npz`,
      `sphere_${name}.safetensors`,
    ]),
  ]);
  const { settings } = JSON.parse(await readFile(path.join(output, 'sphere/sphere.json'), 'utf8'));
  expect(settings).toEqual({
    method: 'entropy',
    temperature: 0.8,
    shells: 256,
    rMin: 32,
    rMax: 100,
    level: 0.25,
    direction: 'inward',
  });
  expect((await sluice(flags)).stderr).toContain('nothing to do');
  expect((await sluice(['verify', output])).code).toBe(0);
});

it('refuses a temperature where it means nothing, before anything is written', async () => {
  const output = path.join(await temporaryFolder(), 'out');
  const { code, stderr } = await sluice(['allocate', 'x', '--output', output, '--temperature', '2']);
  expect([code, stderr]).toEqual([1, expect.stringContaining('temperature means nothing to osmotic')]);
  await expect(readdir(output)).rejects.toMatchObject({ code: 'ENOENT' });
});
