import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../sources/helpers.ts';

const node = (folder: string, ...args: string[]): ReturnType<typeof spawnSync> =>
  spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8', env: { ...process.env, NODE_OPTIONS: '' } });

/** Installs this package, compiled, into a folder, beside the packages that it needs. */
function installed(folder: string): string {
  const modules = join(folder, 'node_modules');
  const own = join(modules, 'sluice');
  mkdirSync(own, { recursive: true });
  for (const name of readdirSync('node_modules')) {
    if (name !== 'sluice') symlinkSync(resolve('node_modules', name), join(modules, name));
  }
  for (const name of ['bin', 'models', 'pipelines', 'samples', 'package.json']) {
    cpSync(name, join(own, name), { recursive: true });
  }
  const tsc = resolve('node_modules/typescript/bin/tsc');
  for (const [project, into] of [
    ['tsconfig.build.json', 'dist'],
    ['tsconfig.pipelines.json', 'pipelines'],
  ] as const) {
    // types are checked elsewhere, against the sources
    const args = ['-p', resolve(project), '--noCheck', '--outDir', join(own, into)];
    const { status, stdout } = node('.', tsc, ...args);
    expect(status, `${stdout}`).toBe(0);
  }
  return join(own, 'bin/sluice.js');
}

describe('the package as it is installed', () => {
  it('runs the quickstart: pipelines, decoders and models are found', { timeout: 60_000 }, () => {
    const folder = temporaryFolder();
    const sluice = installed(folder);
    const ran = node(folder, sluice, 'run', 'quickstart', '--output', 'out', '--progress', 'off');
    expect(ran.status, `${ran.stderr}`).toBe(0);
    const { totals } = JSON.parse(readFileSync(join(folder, 'out/manifest.json'), 'utf8'));
    expect(totals).toMatchObject({ rejects: 0, image_segments: expect.any(Number), audio_bytes: expect.any(Number) });
    const verified = node(folder, sluice, 'verify', 'out');
    expect(verified.status, `${verified.stderr}`).toBe(0);
  });
});
