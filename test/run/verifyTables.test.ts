import { cp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../src/run/run.ts';
import { verifyOutput } from '../../src/run/verify.ts';
import { jsonl, npz, parquet, sqlite, webdataset } from '../../src/sinks/index.ts';
import { patches } from '../fixtures/crash/pipeline.ts';
import { temporaryFolder } from '../sinks/flow.ts';
import { seal } from './output.ts';

let original: string;
beforeAll(async () => {
  original = await temporaryFolder();
  const pipeline = patches.to(
    webdataset('wds', { members: ['safetensors', 'json', 'payload'] }),
    npz(),
    jsonl('lines'),
    parquet('patches', { compression: 'none' }),
    parquet('documents', { rows: 'document', compression: 'none' }),
    sqlite(),
  );
  await run(pipeline, { output: original });
});
afterAll(() => rm(original, { recursive: true, force: true }));

/** Puts bytes in place of others of the same length, where they stand first. */
const replaced =
  (from: string | Buffer, to: string | Buffer) =>
  async (file: string): Promise<void> => {
    const bytes = await readFile(file);
    const at = bytes.indexOf(from);
    expect(at, `${from} in ${file}`).toBeGreaterThanOrEqual(0);
    Buffer.from(to).copy(bytes, at);
    await writeFile(file, bytes);
  };

describe('verify', () => {
  it('finds nothing wrong with tables and archives', async () => {
    expect(await verifyOutput(original)).toMatchObject({ ok: true, findings: [] });
  });

  it.each<[string, (file: string) => Promise<void>, string]>([
    ['wds/00000-000000.tar', replaced('"part":0', '"part":1'), 'CONTENT has a member'],
    ['npz/00000-000000.npz', replaced('word', 'w0rd'), "CONTENT has a member 'bytes.npy' of another checksum"],
    [
      'lines/00000-000000.jsonl',
      replaced('"part":0', '"part":1'),
      'CONTENT holds 3 documents, and was committed with 4',
    ],
    [
      'patches/00000-000000.parquet',
      replaced(Buffer.from(BigInt64Array.of(1n, 2n, 3n).buffer), Buffer.from(BigInt64Array.of(1n, 9n, 3n).buffer)),
      'CONTENT has patch 9 behind patch 1 in row 2',
    ],
    ['documents/00000-000000.parquet', replaced('"n":0', '"n":['), 'CONTENT has no metadata in row 0'],
    [
      'tables/00000-000000.db',
      async (file) => {
        const db = new Database(file);
        db.exec('UPDATE documents SET num_patches = num_patches + 1 WHERE document = 2');
        db.close();
      },
      'CONTENT has another number of patches than it tells in document 2',
    ],
  ])('finds what a hash cannot tell in %s', async (name, damage, expected) => {
    const root = await temporaryFolder();
    await cp(original, root, { recursive: true });
    await damage(path.join(root, name));
    await seal(root);
    const found = (await verifyOutput(root)).findings.map(
      ({ path: file, code, message }) => `${file} ${code} ${message}`,
    );
    expect(found).toContainEqual(expect.stringContaining(`${name} ${expected}`));
  });

  it('finds counts that files of any kind do not hold', async () => {
    const root = await temporaryFolder();
    await cp(original, root, { recursive: true });
    await seal(root, (commit) => ({ ...commit, counts: { ...commit.counts, patches: 1 } }));
    const folders = (await readdir(root)).filter((name) => !/commits|json|rejects/.test(name));
    const found = (await verifyOutput(root)).findings
      .filter(({ code }) => code === 'COUNTS')
      .map(({ message }) => message);
    for (const folder of folders) expect(found).toContainEqual(expect.stringContaining(`files in ${folder} hold`));
  });
});
