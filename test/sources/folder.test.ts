import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { folder, glob } from '../../src/sources/index.ts';
import { content, plan, readAll, readSplit, temporaryFolder, text } from './helpers.ts';

function tree(files: Record<string, string | Uint8Array>): string {
  const root = temporaryFolder();
  for (const [path, bytes] of Object.entries(files)) {
    mkdirSync(join(root, path, '..'), { recursive: true });
    writeFileSync(join(root, path), bytes);
  }
  return root;
}

const uris = async (source: ReturnType<typeof folder>): Promise<string[]> =>
  (await readAll(source)).records.map(({ source: { uri } }) => uri);

describe('a folder', () => {
  const files = {
    'b.txt': 'b',
    'a/z.txt': 'z',
    'a.txt': 'a',
    'a-b/c.md': 'c',
    '.hidden/x.txt': 'h',
    'a/.y.txt': 'y',
    'é.txt': 'e',
    '𝒳.txt': '4',
    '豈.txt': '3',
  };

  it('gives every file once, in the byte order of its path', async () => {
    const found = await uris(folder(tree(files)));
    const order = [...found].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    expect(found).toEqual(order);
    expect(found).toEqual(['a-b/c.md', 'a.txt', 'a/z.txt', 'b.txt', 'é.txt', '豈.txt', '𝒳.txt']);
  });

  it('can be narrowed by globs and not entered, and widened to hidden files', async () => {
    const root = tree(files);
    expect(await uris(folder(root, { include: '*.md' }))).toEqual(['a-b/c.md']);
    expect(await uris(folder(root, { include: 'a*/**' }))).toEqual(['a-b/c.md', 'a/z.txt']);
    expect(await uris(folder(root, { exclude: ['a', '*.md', '[^a-z]*'] }))).toEqual(['a.txt', 'b.txt']);
    expect(await uris(folder(root, { recursive: false, include: '[a-z].txt' }))).toEqual(['a.txt', 'b.txt']);
    expect(await uris(folder(root, { hidden: true, include: '**/*[xy].txt' }))).toEqual(['.hidden/x.txt', 'a/.y.txt']);
    expect(await uris(glob(join(root, 'a*', '*.txt')))).toEqual(['z.txt'].map((name) => `a/${name}`));
    expect(await uris(glob([join(root, 'a.txt'), join(root, '*.txt'), join(root, 'a')]))).toContain('a/z.txt');
  });

  it('puts small files together into splits, and the splits do not change the documents', async () => {
    const root = tree(Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`${n}.txt`, 'x'.repeat(n)])));
    const whole = await readAll(folder(root));
    const many = await readAll(folder(root), 100);
    expect(whole.splits).toHaveLength(1);
    expect(many.splits.length).toBeGreaterThan(10);
    expect(content(many.records)).toEqual(content(whole.records));
    for (const split of many.splits) expect(split.bytes).toBeLessThanOrEqual(100);
    expect(many.splits.reduce((sum, { bytes }) => sum + bytes, 0)).toBe((50 * 49) / 2);
  });

  it('cuts large files into parts whose positions are exact, whatever the splits', async () => {
    const line = fc.string({ unit: fc.constantFrom('a', 'é', '漢', ' '), maxLength: 60 });
    const any = fc.array(line, { maxLength: 40 }).map((lines) => lines.join('\n'));
    await fc.assert(
      fc.asyncProperty(
        any,
        fc.integer({ min: 64, max: 400 }),
        fc.integer({ min: 1, max: 2000 }),
        async (body, maxDocumentBytes, splitBytes) => {
          const root = tree({ 'big.txt': body });
          const { records, rejects } = await readAll(folder(root, { maxDocumentBytes }), splitBytes);
          const file = readFileSync(join(root, 'big.txt'));
          expect(Buffer.concat(records.map(({ bytes }) => bytes))).toEqual(file);
          for (const [index, { bytes, source }] of records.entries()) {
            const { byte = -1, part } = source.position;
            expect(bytes.length).toBeLessThanOrEqual(maxDocumentBytes);
            expect(file.subarray(byte, byte + bytes.length)).toEqual(Buffer.from(bytes));
            expect(part).toBe(records.length === 1 ? undefined : index);
          }
          expect(content(records)).toEqual(content((await readAll(folder(root, { maxDocumentBytes }))).records));
          expect(rejects).toEqual([]);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('never cuts UTF-16 inside a code unit', async () => {
    const root = tree({ 'wide.txt': Buffer.from(`\ufeff${'Ċ漢a\n'.repeat(200)}`, 'utf16le') });
    const { records } = await readAll(folder(root, { maxDocumentBytes: 101 }));
    expect(records.length).toBeGreaterThan(10);
    for (const { bytes } of records) expect(bytes.length % 2).toBe(0);
    expect(Buffer.concat(records.map(({ bytes }) => bytes))).toEqual(readFileSync(join(root, 'wide.txt')));
  });

  it('keeps an empty file as an empty document', async () => {
    const { records, rejects } = await readAll(folder(tree({ 'empty.txt': '' })));
    expect(records.map(text)).toEqual(['']);
    expect(rejects).toEqual([]);
  });
});

describe('what is no file', () => {
  it('is rejected by name and never opened', async () => {
    const root = tree({ 'a.txt': 'a', 'real/b.txt': 'b' });
    execFileSync('mkfifo', [join(root, 'pipe.txt')]);
    symlinkSync(join(root, 'a.txt'), join(root, 'link.txt'));
    symlinkSync('nowhere', join(root, 'broken.txt'));
    symlinkSync('..', join(root, 'real', 'up'));
    const server = createServer().listen(join(root, 'socket'));
    onTestFinished(() => {
      server.close();
    });
    await new Promise((resolve) => server.once('listening', resolve));
    const { records, planRejects } = await readAll(folder(root));
    expect(records.map(text)).toEqual(['a', 'b']);
    expect(planRejects.map(({ path, code }) => [path, code])).toEqual([
      ['broken.txt', 'LINK_SKIPPED'],
      ['link.txt', 'LINK_SKIPPED'],
      ['pipe.txt', 'SPECIAL_FILE'],
      ['real/up', 'LINK_SKIPPED'],
      ['socket', 'SPECIAL_FILE'],
    ]);
    const followed = await readAll(folder(root, { followLinks: true, exclude: ['pipe.txt', 'socket'] }));
    expect(followed.records.map(({ id }) => id)).toEqual(['a.txt', 'link.txt', 'real/b.txt']);
    expect(followed.planRejects.map(({ path, code }) => [path, code])).toEqual([
      ['broken.txt', 'UNREADABLE'],
      ['real/up', 'LINK_LOOP'],
    ]);
  });

  it('is rejected where it may not be read', async () => {
    const root = tree({ 'a.txt': 'a', 'closed/b.txt': 'b', 'c.txt': 'c' });
    chmodSync(root, 0o755);
    chmodSync(join(root, 'closed'), 0);
    chmodSync(join(root, 'c.txt'), 0);
    // Root may read everything: the test then goes on as nobody.
    if (process.getuid?.() === 0) process.seteuid?.(65534);
    try {
      const outcome = await readAll(folder(root));
      expect(outcome.records.map(text)).toEqual(['a']);
      expect(outcome.planRejects.map(({ code, path }) => [code, path])).toEqual([['UNREADABLE', 'closed']]);
      expect(outcome.rejects.map(({ error: { code, path } }) => [code, path])).toEqual([['UNREADABLE', 'c.txt']]);
      await expect(readAll(folder(join(root, 'closed')))).rejects.toMatchObject({ code: 'NO_USABLE_FILE' });
    } finally {
      if (process.getuid?.() === 0) process.seteuid?.(0);
      chmodSync(join(root, 'closed'), 0o755);
    }
  });

  it('is one reject where a file goes away before it is read', async () => {
    const root = tree({ 'a.txt': 'a', 'b.txt': 'b', 'c.txt': 'c' });
    const source = folder(root);
    const [split] = await plan(source, 1 << 20);
    rmSync(join(root, 'b.txt'));
    const rejects: Parameters<typeof readSplit>[2] = [];
    const records = await readSplit(source, split!, rejects);
    expect(records.map(({ id, source: { position } }) => [id, position.ordinal])).toEqual([
      ['a.txt', 0],
      ['c.txt', 2],
    ]);
    expect(rejects?.map(({ stage, error }) => [stage, error.code, error.path, error.position])).toEqual([
      ['folder', 'UNREADABLE', 'b.txt', { ordinal: 1 }],
    ]);
  });

  it('fails the run where a file is not the one that was planned', async () => {
    const root = tree({ 'a.txt': 'a' });
    const source = folder(root);
    const [split] = await plan(source, 1 << 20);
    utimesSync(join(root, 'a.txt'), 1, 1);
    await expect(readSplit(source, split!)).rejects.toMatchObject({ name: 'SourceError', code: 'INPUT_CHANGED' });
    rmSync(join(root, 'a.txt'));
    execFileSync('mkfifo', [join(root, 'a.txt')]);
    await expect(readSplit(source, split!)).rejects.toMatchObject({ name: 'SourceError', code: 'INPUT_CHANGED' });
  });

  it('cannot be a source', async () => {
    const root = tree({ 'corpus.txt': 'a' });
    await expect(readAll(folder(join(root, 'corpus.tx')))).rejects.toMatchObject({
      code: 'NOT_FOUND',
      hint: "Did you mean 'corpus.txt'?",
    });
    await expect(readAll(folder(root, { include: '*.md' }))).rejects.toMatchObject({ code: 'NO_FILES' });
    expect(() => folder(root, { maxDocumentBytes: 3 })).toThrow(expect.objectContaining({ code: 'BAD_LIMIT' }));
  });
});

describe('outside a run', () => {
  it('a record that cannot be read fails the flow', async () => {
    const root = tree({ 'a.txt': 'a' });
    const source = folder(root);
    const [split] = await plan(source, 1 << 20);
    rmSync(join(root, 'a.txt'));
    await expect(
      new Promise((resolve, reject) =>
        source.read(split!).subscribe({ error: reject, complete: () => resolve('done') }),
      ),
    ).rejects.toMatchObject({ name: 'RecordError', code: 'UNREADABLE' });
  });
});
