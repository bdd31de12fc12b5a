import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readGgufModel } from '../../src/model/ggufModel.ts';
import { readModelFile } from '../../src/model/modelFile.ts';
import { exitCode } from '../../src/run/exitCodes.ts';
import { modelFolder, smallArgs } from '../model/modelFolder.ts';
import { sluice, start } from '../support/sluice.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'sluice-quantize-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const model = modelFolder({ ...smallArgs, dim: 256, multiple_of: 352 });
const text = ['--calibrate', 'samples/novel/chapter-06.txt', 'samples/novel/chapter-03.txt', '--tokens', '2048'];
const quantize = (...args: string[]) => sluice(['quantize', model, ...args]);

describe('sluice quantize', () => {
  it('writes a GGUF file and tells sizes, types and errors, and where a type did not fit', async () => {
    const output = path.join(folder, 'm.gguf');
    const { code, stdout, stderr } = await quantize('--to', 'q4_k', '--output', output);
    expect(stderr).toBe('');
    expect(code).toBe(exitCode.ok);
    expect(stdout).toMatch(/m\.gguf: 1\.36 MB, 1 740 032 weights, \d\.\d\d bits a weight\n/);
    expect(stdout).toMatch(/^before: 6\.96 MB, 32\.01 bits a weight; 5\.1\d times as large$/m);
    expect(stdout).toMatch(/^q4_k +12 tensors, /m);
    expect(stdout).toMatch(/^attention\.wq +q4_k +131 072 +524 kB +73\.7 kB +5\.\d\d % +0\.\d+$/m);
    expect(stdout).toMatch(/^norm +f32 +256 +1\.02 kB +1\.02 kB +0 % +0$/m);
    expect(stdout).toContain('feed_forward.w2 is q8_0: its rows are no whole blocks of q4_k\n');
    expect(stdout).toContain('give text with --calibrate');
    const { tensors } = (await readGgufModel(output)).weights;
    expect(tensors.get('layers.1.feed_forward.w2.weight')?.dtype).toBe('Q8_0');
    expect(tensors.get('output.weight')?.dtype).toBe('F16');
  });

  it('writes a model folder, calibrated, and tells what both models say of the text', async () => {
    const output = path.join(folder, 'm');
    const { code, stdout, stderr } = await sluice([
      'quantize',
      'models/tiny',
      '--to',
      'int4',
      '--output',
      output,
      ...text,
    ]);
    expect(stderr).toBe('');
    expect(code).toBe(exitCode.ok);
    expect(stdout).toMatch(/m: 649 kB, 870 528 weights, 5\.96 bits a weight\n/);
    expect(stdout).toContain('method: gptq\n');
    expect(stdout).toMatch(/^attention\.wq +int4 +65 536 +262 kB +41\.0 kB +\d\.\d+ % +0\.\d+ +\d\.\d+ %$/m);
    expect(stdout).toContain("patches starting above 2.4970 nats (the model's own) in both models:\n");
    for (const name of ['calibration', 'held-back']) {
      expect(stdout).toMatch(new RegExp(`^${name} text +2 046( +\\d\\.\\d+){5}$`, 'm'));
    }
    const { weights } = await readModelFile(output);
    expect(weights.tensors.get('layers.0.attention.wq.weight')?.dtype).toBe('int4');
    expect((await readdir(output)).toSorted()).toEqual(['calibration.json', 'config.json', 'model.safetensors']);
  });

  it('gives programs one object', async () => {
    const output = path.join(folder, 'm.gguf');
    const { stdout } = await quantize('--to', 'bf16', '--embeddings', 'f32', '--output', output, '--json');
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({ output, to: 'bf16', method: 'ggml', bytes: (await readFile(output)).length });
    expect(report).toMatchObject({ calibration: null, held_back: null });
    expect(report.classes).toHaveLength(12);
    expect(report.classes[0]).toMatchObject({ class: 'tok_embeddings', type: 'F32', asked: 'F32', max_error: 0 });
    expect(report.classes[2]).toMatchObject({ class: 'attention.wq', type: 'BF16', tensors: 2, weights: 131_072 });
    expect(report.classes[2].mean_error / report.classes[2].mean).toBeLessThan(2 ** -8);
  });

  it('measures, and writes nothing', async () => {
    const { code, stdout } = await quantize('--to', 'ternary', '--stats', '--json', ...text);
    expect(code).toBe(exitCode.ok);
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({ output: null, to: 'ternary', method: 'mse', threshold_of: 'released' });
    for (const one of [report.calibration, report.held_back]) expect(one).toMatchObject({ bytes: 2046, windows: 2 });
    expect(await readdir(folder)).toEqual([]);
  });

  it('tells where text is too short to hold some back', async () => {
    await writeFile(path.join(folder, 'short.txt'), 'A few words, no more.');
    const output = path.join(folder, 'm');
    const { stdout } = await quantize(
      '--to',
      'int8',
      '--output',
      output,
      '--calibrate',
      path.join(folder, 'short.txt'),
    );
    expect(stdout).toContain('held-back text: none, the files are too short');
    expect(stdout).toContain('of the released models, since this one has none');
  });

  it('replaces nothing unless told to', async () => {
    const output = path.join(folder, 'm.gguf');
    await writeFile(output, 'mine');
    const refused = await quantize('--to', 'f16', '--output', output);
    expect(refused.code).toBe(exitCode.failed);
    expect(refused.stderr).toContain('[EXISTS]');
    expect(await readFile(output, 'utf8')).toBe('mine');
    expect((await quantize('--to', 'f16', '--output', output, '--force')).code).toBe(exitCode.ok);
    expect((await readGgufModel(output)).config.dim).toBe(256);
    expect(await readdir(folder)).toEqual(['m.gguf']);
  });

  it('replaces a model folder when told to, and no other folder', async () => {
    const output = path.join(folder, 'm');
    await quantize('--to', 'ternary', '--output', output);
    expect((await quantize('--to', 'int4', '--output', output)).stderr).toContain('[EXISTS]');
    expect((await quantize('--to', 'int4', '--output', output, '--force')).code).toBe(exitCode.ok);
    expect((await readModelFile(output)).weights.tensors.get('layers.0.attention.wq.weight')?.dtype).toBe('int4');
    await rm(path.join(output, 'config.json'));
    expect((await quantize('--to', 'int4', '--output', output, '--force')).stderr).toContain('[EXISTS]');
    expect(await readdir(folder)).toEqual(['m']);
  });

  it.each([
    [['--to', 'q3_k', '--output', 'm.gguf'], exitCode.usage, 'Allowed choices are int8, '],
    [['--output', 'm.gguf'], exitCode.usage, '--to'],
    [['--to', 'f16'], exitCode.usage, '--output'],
    [['--to', 'int8', '--output', 'm.gguf'], exitCode.usage, 'writes a model folder'],
    [['--to', 'int4', '--method', 'gptq', '--output', 'm'], exitCode.usage, 'needs text'],
    [['--to', 'int8', '--percentile', '101', '--output', 'm'], exitCode.usage, 'at most 100'],
    [['--to', 'int8', '--output', 'm', '--calibrate', 'nowhere.txt'], exitCode.failed, '[NOTHING_TO_READ]'],
    [['--to', 'f16', '--output', 'none/m.gguf'], exitCode.failed, 'no such file or directory'],
    [['--to', 'int8', '--output', '/dev/null/m'], exitCode.disk, 'cannot be written'],
  ])('refuses %j', async (args, code, message) => {
    const ended = await sluice(['quantize', model, ...args], { cwd: folder });
    expect(ended.stderr).toContain(message);
    expect(ended.code).toBe(code);
    expect(await readdir(folder)).toEqual([]);
  });

  it('names the model that is not there', async () => {
    const ended = await sluice(['quantize', 'nowhere', '--to', 'f16', '--output', 'm.gguf'], { cwd: folder });
    expect(ended).toMatchObject({ code: exitCode.failed, stderr: expect.stringContaining('[MODEL_MISSING]') });
  });

  it.each([
    ['q4_k', []],
    ['int4', ['--calibrate', 'samples/novel/chapter-06.txt', '--tokens', '4096']],
  ])('leaves nothing when it is interrupted: %s', async (type, more) => {
    const big = modelFolder({ ...smallArgs, dim: 512, multiple_of: 256 });
    const { child, ended } = start(['quantize', big, '--to', type, '--output', path.join(folder, 'm'), ...more]);
    while ((await readdir(folder)).length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    child.kill('SIGINT');
    expect(await ended).toMatchObject({ code: exitCode.interrupted, stderr: expect.stringContaining('not written') });
    expect(await readdir(folder)).toEqual([]);
  });
});
