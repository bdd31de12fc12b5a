import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exitCode } from '../../src/run/exitCodes.ts';
import { sluice } from '../support/sluice.ts';

const golden = path.join(import.meta.dirname, '../fixtures/blt-golden');
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'sluice-entropy-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Case {
  id: string;
  model: string;
  text?: string;
  token_ids: number[];
  entropies: number[];
  prenorm_l2: number[];
  add_bos?: boolean;
  add_eos?: boolean;
}

async function goldenCase(): Promise<Case & { text: string }> {
  const { cases }: { cases: Case[] } = JSON.parse(await readFile(path.join(golden, 'model-cases.json'), 'utf8'));
  const found = cases.find(
    (one) =>
      one.text !== undefined && one.add_bos && one.add_eos && one.token_ids.length > 100 && one.token_ids.length < 2000,
  );
  if (found?.text === undefined) throw new Error('no golden case of text with BOS and EOS');
  return { ...found, text: found.text };
}

describe('sluice entropy', () => {
  it('speaks in tokens with --reference, and agrees with the reference', async () => {
    const one = await goldenCase();
    const file = path.join(folder, 'golden.txt');
    await writeFile(file, one.text);
    const ended = await sluice([
      'entropy',
      file,
      '--json',
      '--reference',
      '--model',
      path.join(golden, 'models', one.model),
      '--threshold',
      '1.335442066192627',
    ]);
    expect(ended.code, ended.stderr).toBe(exitCode.ok);
    const said = JSON.parse(ended.stdout);
    expect(said.token_ids).toEqual(one.token_ids);
    for (const [i, nats] of one.entropies.entries()) expect(Math.abs(said.entropies[i] - nats)).toBeLessThan(2e-4);
    for (const [i, norm] of one.prenorm_l2.entries())
      expect(Math.abs(said.prenorm_l2[i] / norm - 1)).toBeLessThan(2e-5);
    expect(said.patch_lengths.reduce((sum: number, length: number) => sum + length, 0)).toBe(one.token_ids.length);
  });

  it('speaks in bytes by default: the token before byte i says its entropy', async () => {
    const one = await goldenCase();
    const file = path.join(folder, 'bytes.txt');
    await writeFile(file, one.text);
    const ended = await sluice([
      'entropy',
      file,
      '--json',
      '--model',
      path.join(golden, 'models', one.model),
      '--threshold',
      '1.5',
    ]);
    const said = JSON.parse(ended.stdout);
    expect(said).toMatchObject({ uri: file, bytes: Buffer.byteLength(one.text), threshold: 1.5 });
    expect(said.entropies).toHaveLength(said.bytes);
    for (const [i, nats] of said.entropies.entries())
      expect(Math.abs(nats - (one.entropies[i] ?? 0))).toBeLessThan(2e-4);
    const starts = said.entropies.flatMap((nats: number, i: number) => (i === 0 || nats > 1.5 ? [i] : []));
    const ends = [...starts.slice(1), said.bytes];
    expect(said.patch_lengths).toEqual(starts.map((start: number, i: number) => (ends[i] ?? 0) - start));
  });

  it('reads standard input, several files, and an empty one', async () => {
    const empty = path.join(folder, 'empty');
    await writeFile(empty, '');
    const ended = await sluice(['entropy', '-', empty, '--json'], { input: 'Call me Ishmael.' });
    const [first, second] = ended.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(first).toMatchObject({ uri: '-', bytes: 16 });
    expect(second).toMatchObject({ bytes: 0, entropies: [], patch_lengths: [] });
  });

  it('shows a readable view without --json', async () => {
    const ended = await sluice(['entropy', '-'], { input: 'Call me Ishmael.' });
    expect(ended.stdout.replaceAll('|', '')).toContain('Call me Ishmael.');
    expect(ended.stdout).toContain('mean patch');
  });

  it('says what is wrong with its input', async () => {
    expect((await sluice(['entropy', path.join(folder, 'none.txt')])).stderr).toContain('none.txt');
    expect((await sluice(['entropy', folder])).stderr).toContain('run ingest --input');
    expect((await sluice(['entropy', '-', '--threshold', 'much'], { input: 'x' })).code).toBe(exitCode.usage);
  });
});
