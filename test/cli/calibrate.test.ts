import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { defaultModelDir } from '../../src/model/index.ts';
import { exitCode } from '../../src/run/exitCodes.ts';
import { sluice } from '../support/sluice.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'sluice-calibrate-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const calibration = async () => JSON.parse(await readFile(path.join(folder, 'model', 'calibration.json'), 'utf8'));

describe('sluice calibrate', () => {
  it('gives each modality of the input a threshold for patches of the wanted length, and changes no other', async () => {
    await cp(defaultModelDir(), path.join(folder, 'model'), { recursive: true });
    const before = await calibration();
    await cp('samples/novel', path.join(folder, 'data'), { recursive: true });
    await writeFile(path.join(folder, 'data', 'a.ts'), await readFile('src/model/calibration.ts'));
    const model = path.join(folder, 'model');
    const ended = await sluice(['calibrate', path.join(folder, 'data'), '--model', model, '--target', '6', '--json']);
    expect(ended.code, ended.stderr).toBe(exitCode.ok);
    const lines = ended.stdout
      .trim()
      .split('\n')
      .map((line): Record<string, unknown> => JSON.parse(line));
    expect(lines.map(({ modality }) => modality)).toEqual(['text', 'code']);
    expect(ended.stderr).toContain(`written into ${path.join(model, 'calibration.json')}`);
    expect(ended.stderr).toMatch(/^code: a sample of \d.*B is small; /m);
    expect(ended.stderr).not.toMatch(/^text: /m);
    for (const line of lines) expect(Math.abs(Number(line['mean_patch_bytes']) - 6)).toBeLessThan(0.1);
    const after = await calibration();
    expect(after).toMatchObject({ ...before, modalities: { ...before.modalities, text: {}, code: {} } });
    expect(after.modalities.code).toMatchObject({
      auto_threshold: lines[1]?.['threshold'],
      target_patch_bytes: 6,
      sample_bytes: lines[1]?.['sample_bytes'],
    });
  });

  it('leaves a modality alone of which there is too little', async () => {
    await cp(defaultModelDir(), path.join(folder, 'model'), { recursive: true });
    const before = await calibration();
    const data = path.join(folder, 'data');
    await cp('samples/novel/chapter-01.txt', path.join(data, 'a.txt'));
    await writeFile(path.join(data, 'a.py'), 'x=1\n');
    const ended = await sluice(['calibrate', data, '--model', path.join(folder, 'model'), '--sample', '20kB']);
    expect(ended.code, ended.stderr).toBe(exitCode.ok);
    expect(ended.stderr).toMatch(/^code keeps its threshold: A sample of 4 bytes/m);
    expect(ended.stdout).toMatch(/^text .*\n$/);
    expect((await calibration()).modalities.code).toEqual(before.modalities.code);
  });

  it('writes nothing on a dry run, and refuses what cannot be calibrated', async () => {
    await cp(defaultModelDir(), path.join(folder, 'model'), { recursive: true });
    const before = await calibration();
    const model = path.join(folder, 'model');
    const dry = await sluice(['calibrate', 'samples/novel', '--model', model, '--sample', '20kB', '--dry-run']);
    expect(dry.stderr).not.toContain('written');
    expect(dry.stdout).toMatch(/^text +\d\.\d{4} nats, 4\.5\d bytes a patch \(7\.50 kB\)\n$/);
    expect(await calibration()).toEqual(before);
    const file = await sluice(['calibrate', 'samples/novel', '--model', 'x.gguf']);
    expect(file.stderr).toContain('BAD_MODEL_FOLDER');
    await writeFile(path.join(folder, 'empty.txt'), '');
    await writeFile(path.join(folder, 'little.txt'), 'x');
    await writeFile(path.join(folder, 'little.py'), 'x');
    const little = await sluice(['calibrate', path.join(folder, 'little.*'), '--model', model]);
    expect(little.code).toBe(exitCode.failed);
    expect(little.stderr).toContain('[CALIBRATION_SAMPLE]');
    const nothing = await sluice(['calibrate', path.join(folder, 'empty.txt'), '--model', model]);
    expect(nothing.stderr).toContain('NOTHING_TO_READ');
  });
});
