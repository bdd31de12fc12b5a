import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { exitCode } from '../../src/run/exitCodes.ts';
import { loadTokenizer } from '../../src/tokenizers/index.ts';
import { sluice } from '../support/sluice.ts';

let folder: string;
let text: string;
let output: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'sluice-tokenizer-'));
  text = path.join(folder, 'text.txt');
  output = path.join(folder, 'tokenizer.json');
  await writeFile(text, 'the cat and the dog and the cat again\n'.repeat(20));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const train = (...args: string[]) =>
  sluice(['tokenizer', 'train', text, '--vocab-size', '280', '--output', output, ...args]);

describe('sluice tokenizer', () => {
  it('trains a tokenizer, and encodes with it', async () => {
    const { code, stdout } = await train('--special', '<|endoftext|>', '--json');
    expect(code).toBe(exitCode.ok);
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({ output, dropped_words: 0 });
    const tokenizer = loadTokenizer(await readFile(output));
    expect(report.tokens).toBe(tokenizer.size);
    expect(tokenizer.parts.added).toEqual([{ id: 0, content: '<|endoftext|>', special: true }]);

    const encoded = await sluice(['tokenizer', 'encode', text, '--tokenizer', output, '--json']);
    const { ids, bytes } = JSON.parse(encoded.stdout);
    expect(bytes).toBe(38 * 20);
    expect(ids).toEqual([...tokenizer.encode(await readFile(text))]);
    const shown = await sluice(['tokenizer', 'encode', text, '--tokenizer', output]);
    expect(shown.stdout).toContain(`760 B, ${ids.length} tokens`);
  });

  it('replaces nothing unless told to', async () => {
    await writeFile(output, 'mine');
    const refused = await train();
    expect(refused.code).toBe(exitCode.failed);
    expect(refused.stderr).toContain('[EXISTS]');
    expect(await readFile(output, 'utf8')).toBe('mine');
    expect((await train('--force')).code).toBe(exitCode.ok);
    expect((await readdir(folder)).sort()).toEqual(['text.txt', 'tokenizer.json']);
  });

  it('refuses what is no tokenizer, no text, no size', async () => {
    const none = await sluice(['tokenizer', 'encode', text, '--tokenizer', text]);
    expect(none.code).toBe(exitCode.failed);
    expect(none.stderr).toContain('[BAD_TOKENIZER]');
    const within = await sluice(['tokenizer', 'train', folder, '--vocab-size', '280', '--output', output]);
    expect(within.stderr).toContain(`give the files in it: ${folder}/*`);
    const missing = await sluice(['tokenizer', 'encode', text, '--tokenizer', path.join(folder, 'no')]);
    expect(missing.stderr).toContain('[ENOENT]');
    expect((await train('--vocab-size', '5')).stderr).toContain('[BAD_OPTION]');
    expect((await train('--vocab-size', 'x')).code).toBe(exitCode.usage);
  });
});
