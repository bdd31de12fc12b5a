import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { exportCommand } from '../../src/cli/commands/export.ts';
import { openLayout } from '../../src/layouts/index.ts';
import { verifyOutput } from '../../src/run/verify.ts';
import { makeOutput } from '../run/output.ts';
import { parseSafetensors } from '../sinks/consumer.ts';
import { temporaryFolder } from '../sinks/flow.ts';
import { f1, f4, f5, oldDocument, webdataset } from '../support/oldLayouts.ts';
import { sluice } from '../support/sluice.ts';

const run = (inputs: readonly string[], to: string, output: string, ...flags: readonly string[]) =>
  sluice(['export', ...inputs, '--to', to, '--output', output, '--progress', 'off', ...flags]);

/** The same without a process of its own, which takes longer to start than the rest takes. */
async function runHere(inputs: readonly string[], to: string, made: string, ...flags: readonly string[]) {
  let stderr = '';
  const spy = vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    stderr += text;
    return true;
  });
  onTestFinished(() => {
    process.exitCode = 0;
  });
  try {
    const args = [...inputs, '--to', to, '--output', made, '--progress', 'off', ...flags];
    await exportCommand().exitOverride().parseAsync(args, { from: 'user' });
    return { code: process.exitCode, stderr };
  } finally {
    spy.mockRestore();
  }
}

const output = async (): Promise<string> => path.join(await temporaryFolder(), 'out');

describe('sluice export', () => {
  it('writes an output in every layout, and what it writes can be verified', async () => {
    const root = await makeOutput();
    const folders: Readonly<Record<string, [string, string[]]>> = {
      safetensors: ['shards', ['--shard-bytes', '16384', '--signals']],
      webdataset: ['wds', ['--compression', 'gzip', '--samples', '2']],
      jsonl: ['documents', ['--embeddings', 'base64']],
      npz: ['npz', []],
      parquet: ['tables', ['--compression', 'snappy', '--rows', 'document']],
      sqlite: ['.', ['--into', 'patches.db']],
      jax: ['jax', ['--num-shards', '2']],
      json: ['json', []],
    };
    for (const [to, [folder, flags]] of Object.entries(folders)) {
      const made = await output();
      const { code, stderr } = await runHere([root], to, made, ...flags);
      expect([to, code, stderr]).toEqual([to, 0, expect.stringContaining('patches        407')]);
      expect((await readdir(path.join(made, folder))).length, to).toBeGreaterThan(0);
      expect([to, await verifyOutput(made)]).toEqual([to, expect.objectContaining({ findings: [], ok: true })]);
    }
  });

  it('says nothing of entropies of bytes that it has not read', async () => {
    const made = await output();
    const folder = await temporaryFolder();
    await writeFile(path.join(folder, 'a.safetensors'), f5(oldDocument([2, 3])));
    const { code, stderr } = await runHere([folder], 'safetensors', made);
    expect(code).toBe(0);
    expect(stderr).toContain('mean patch     2.50 bytes');
    expect(stderr).not.toContain('mean entropy');
  });

  it('takes older files, rejects what lacks something, and lets a number stand for it', async () => {
    const folder = await temporaryFolder();
    const document = oldDocument([2, 3]);
    await writeFile(path.join(folder, '1.safetensors'), f1(document));
    await writeFile(path.join(folder, '4.safetensors'), f4(document));
    await writeFile(path.join(folder, 'w.tar.gz'), webdataset([{ id: 'a.b', document }]));
    const made = await output();
    const { code } = await runHere([folder], 'npz', made);
    expect(code).toBe(3);
    const rejects = await readFile(path.join(made, 'rejects/00000.jsonl'), 'utf8');
    expect(
      rejects
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).code),
    ).toEqual(['NO_BYTES', 'NO_SIGNALS', 'NO_SIGNALS']);
    const filled = await output();
    expect((await runHere([folder], 'safetensors', filled, '--prominence', '1')).code).toBe(3);
    const layout = await openLayout(path.join(filled, 'shards/00000-000000.safetensors'));
    expect(await layout.count()).toEqual({ documents: 2, patches: 4, bytes: 10 });
    await layout.close();
  });

  it('goes on with what is there, and refuses another export into it', async () => {
    const root = await makeOutput();
    const made = await output();
    await runHere([root], 'jax', made, '--shard-size', '100');
    const again = await run([root], 'jax', made, '--shard-size', '100');
    expect([again.code, again.stderr]).toEqual([0, expect.stringContaining('nothing to do')]);
    const other = await run([root], 'jax', made, '--shard-size', '50');
    expect([other.code, other.stderr]).toEqual([1, expect.stringContaining('OTHER_PLAN')]);
    expect((await runHere([root], 'jax', made, '--shard-size', '50', '--fresh', '--no-pad')).code).toBe(0);
    const last = await readFile(path.join(made, 'jax/patches_shard_8_of_9.safetensors'));
    expect(parseSafetensors(last).metadata['num_rows']).toBe('7');
  });

  it.each([
    ['npz', ['--num-shards', '2'], '--to jax'],
    ['jax', ['--num-shards', '2', '--compression', 'gzip'], '--to webdataset, --to parquet'],
    ['json', ['--no-pad'], '--to jax'],
    ['json', ['--as-stored'], '--to safetensors, --to webdataset'],
  ])('refuses flags that mean nothing to the layout: %s %j', async (to, flags, hint) => {
    await expect(runHere(['x'], to, 'y', ...flags)).rejects.toMatchObject({
      code: 'BAD_FLAG',
      hint: expect.stringContaining(hint),
    });
  });

  it('takes kinds of members with commas or blanks between them, and none that are not known', async () => {
    const root = await makeOutput();
    const [commas, blanks] = [await output(), await output()];
    await runHere([root], 'webdataset', commas, '--members', 'safetensors,json');
    await runHere([root], 'webdataset', blanks, '--members', 'safetensors', 'json');
    const archive = async (made: string): Promise<Buffer> => readFile(path.join(made, 'wds/00000-000000.tar'));
    expect(await archive(commas)).toEqual(await archive(blanks));
    const refused = await run([root], 'webdataset', await output(), '--members', 'safetensors,jsn');
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('safetensors, json, payload')]);
  });

  it('never writes over its own input, not even with --fresh', async () => {
    const root = await makeOutput();
    for (const made of [root, path.join(root, 'shards'), path.dirname(root)])
      await expect(runHere([root], 'npz', made, '--fresh')).rejects.toMatchObject({ code: 'SAME_FOLDER' });
    expect(await verifyOutput(root)).toMatchObject({ ok: true });
  });

  it('reads archives of an output by their folder, and says so; those who read in any order do not', async () => {
    const made = await output();
    await runHere([await makeOutput()], 'webdataset', made);
    const wds = path.join(made, 'wds');
    await expect(runHere([made], 'npz', await output())).rejects.toMatchObject({
      code: 'NO_FILES',
      hint: expect.stringContaining(`its archives can be exported: ${wds}`),
    });
    const again = await runHere([wds], 'npz', await output());
    expect([again.code, again.stderr]).toEqual([0, expect.stringContaining('patches        407')]);
    const archive = path.join(wds, '00000-000000.tar');
    await expect(runHere([archive], 'jax', await output(), '--num-shards', '1')).rejects.toMatchObject({
      code: 'ARCHIVE',
      hint: expect.stringContaining('sluice export --to safetensors'),
    });
  });

  it('says what is wrong with the input', async () => {
    const folder = await temporaryFolder();
    await mkdir(path.join(folder, 'empty'));
    await expect(runHere([path.join(folder, 'no')], 'npz', await output())).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
    const empty = runHere([path.join(folder, 'empty')], 'jax', await output(), '--num-shards', '1');
    await expect(empty).rejects.toMatchObject({ code: 'NO_FILES' });
    const ended = await run([path.join(folder, 'no')], 'npz', await output());
    expect([ended.code, ended.stderr]).toEqual([1, expect.stringContaining('NOT_FOUND')]);
  });
});
