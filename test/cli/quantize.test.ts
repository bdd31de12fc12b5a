import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readGgufModel } from '../../src/model/ggufModel.ts';
import { exitCode } from '../../src/run/exitCodes.ts';
import { modelFolder, smallArgs } from '../model/modelFolder.ts';
import { sluice, start } from '../support/sluice.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'sluice-quantize-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const model = modelFolder({ ...smallArgs, dim: 256, multiple_of: 352 });
const quantize = (...args: string[]) => sluice(['quantize', model, ...args]);

describe('sluice quantize', () => {
  it('writes a GGUF file and tells sizes, types and errors, and where a type did not fit', async () => {
    const output = path.join(folder, 'm.gguf');
    const { code, stdout, stderr } = await quantize('--to', 'q4_k', '--output', output);
    expect(stderr).toBe('');
    expect(code).toBe(exitCode.ok);
    expect(stdout).toMatch(/m\.gguf: 1\.36 MB, 1 740 032 weights, \d\.\d\d bits a weight\n/);
    expect(stdout).toMatch(/^q4_k {2}12 tensors, /m);
    expect(stdout).toMatch(/^attention\.wq +q4_k +131 072 +0\.\d+ +0\.\d+ +\d\.\d\d % +0\.\d+$/m);
    expect(stdout).toMatch(/^norm +f32 +256 +\d\.\d\d +0 +0 % +0$/m);
    expect(stdout).toContain('feed_forward.w2 is q8_0: its rows are no whole blocks of q4_k\n');
    const { tensors } = (await readGgufModel(output)).weights;
    expect(tensors.get('layers.1.feed_forward.w2.weight')?.dtype).toBe('Q8_0');
    expect(tensors.get('output.weight')?.dtype).toBe('F16');
  });

  it('gives programs one object', async () => {
    const output = path.join(folder, 'm.gguf');
    const { stdout } = await quantize('--to', 'bf16', '--embeddings', 'f32', '--output', output, '--json');
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({ output, bytes: (await readFile(output)).length });
    expect(report.classes).toHaveLength(12);
    expect(report.classes[0]).toMatchObject({ class: 'tok_embeddings', type: 'F32', asked: 'F32', max_error: 0 });
    expect(report.classes[2]).toMatchObject({ class: 'attention.wq', type: 'BF16', tensors: 2, weights: 131_072 });
    expect(report.classes[2].mean_error / report.classes[2].mean).toBeLessThan(2 ** -8);
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

  it.each([
    [['--to', 'q3_k', '--output', 'm.gguf'], exitCode.usage, 'Allowed choices are f32, f16'],
    [['--output', 'm.gguf'], exitCode.usage, '--to'],
    [['--to', 'f16'], exitCode.usage, '--output'],
    [['--to', 'f16', '--output', 'm.bin'], exitCode.usage, 'writes a .gguf file'],
    [['--to', 'f16', '--output', 'none/m.gguf'], exitCode.failed, 'no such file or directory'],
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

  it('leaves nothing when it is interrupted', async () => {
    const big = modelFolder({ ...smallArgs, dim: 512, multiple_of: 256 });
    const { child, ended } = start(['quantize', big, '--to', 'q4_k', '--output', path.join(folder, 'm.gguf')]);
    while ((await readdir(folder)).length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    child.kill('SIGINT');
    expect(await ended).toMatchObject({ code: exitCode.interrupted, stderr: expect.stringContaining('not written') });
    expect(await readdir(folder)).toEqual([]);
  });
});
