import { rm } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { clusters, runGraph, sketched } from '../support/graphs.ts';
import { sluice } from '../support/sluice.ts';

let output: string;
beforeAll(async () => {
  const documents = [
    { id: 'a:1', segments: [[3, 4], [2]], record: 'r' },
    { segments: [[5, 6]], record: 'r' },
  ];
  output = await runGraph(sketched([documents], 8, clusters(1, 1, 8, 0)), { semantic: true, into: 'graph.db' }, 1);
});
afterAll(() => rm(path.dirname(output), { recursive: true, force: true }));

const graph = (...flags: string[]) => sluice(['graph', output, ...flags]);
const json = async (...flags: string[]): Promise<Record<string, unknown>[]> => {
  const { code, stdout, stderr } = await graph(...flags, '--json');
  expect(code, stderr).toBe(0);
  return stdout
    .trim()
    .split('\n')
    .map((text) => JSON.parse(text));
};

describe('sluice graph', () => {
  it('counts what a graph holds', async () => {
    expect(await json()).toEqual([
      expect.objectContaining({
        documents: 2,
        segments: 3,
        patches: 5,
        nodes: 10,
        files: [path.join(output, 'graph.db')],
      }),
    ]);
    const { stdout } = await graph();
    expect(stdout).toMatch(/^documents +2$/m);
    expect(stdout).toMatch(/^edges between patches, next +3$/m);
  });

  it('lists documents', async () => {
    const listed = await json('--documents');
    expect(listed).toMatchObject([
      { id: 'a:1', patches: 3, bytes: 9 },
      { id: '00000-1', patches: 2, bytes: 11 },
    ]);
    expect((await graph('--documents', '--limit', '1')).stdout).toBe('a:1  3 patches  9 bytes\n');
  });

  it('shows the patches of a document, whatever its id', async () => {
    const patches = await json('--document', 'a:1', '--limit', '2');
    expect(patches).toMatchObject([
      { patch: 0, index: 0, start: 0, end: 3, modality: 'text' },
      { patch: 1, index: 1, start: 3, end: 7 },
    ]);
    expect(patches.every(({ text }) => typeof text === 'string')).toBe(true);
  });

  it('shows what is linked to a patch, and to a document', async () => {
    const next = await json('--neighbours', 'a:1:1', '--label', 'next');
    expect(next).toMatchObject([
      { patch: 0, label: 'next', id: 'a:1', index: 0 },
      { patch: 2, label: 'next', id: 'a:1', index: 2 },
    ]);
    expect(await json('--neighbours', 'a:1', '--label', 'same_source,semantic')).toMatchObject([
      { kind: 'document', label: 'same_source', id: '00000-1' },
    ]);
    const { stdout } = await graph('--neighbours', 'a:1', '--depth', '2');
    expect(stdout).toMatch(/^contains {4}1\.000 {2}a:1 {2}segment$/m);
    expect(stdout).toMatch(/^contains {4}1\.000 {2}a:1 {2}patch 0 {2}"/m);
  });

  it('says what it cannot find, and how to ask', async () => {
    const [label, patch, document, near, nothing] = await Promise.all([
      graph('--label', 'nextt'),
      graph('--neighbours', 'a:1:9'),
      graph('--document', 'b'),
      graph('--neighbours', 'a:2'),
      sluice(['graph', `${output}/grap.db`]),
    ]);
    expect(label).toMatchObject({ code: 2, stderr: expect.stringContaining('contains, next, same_source, semantic') });
    expect(patch).toMatchObject({ code: 2, stderr: expect.stringContaining("document 'a:1' has 3 patches") });
    expect(document).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("there is no document 'b' in this graph"),
    });
    expect(document.stderr).toContain("There are 'a:1', '00000-1'.");
    expect(near.stderr).toContain("Did you mean 'a:1'?");
    expect(nothing.code).toBe(1);
    expect(nothing.stderr).toContain("grap.db' does not exist [NOT_FOUND]");
    expect(nothing.stderr).toContain("Did you mean 'graph.db'?");
  });
});
