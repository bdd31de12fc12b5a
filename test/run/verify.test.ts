import { cp, mkdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import Database from 'better-sqlite3';
import fc from 'fast-check';
import { map } from 'rxjs';
import { definePipeline } from 'sluice';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { safetensorsChunks } from '../../src/formats/safetensors/write.ts';
import { inspectOutput } from '../../src/report/inspect.ts';
import { run } from '../../src/run/run.ts';
import { verifyOutput } from '../../src/run/verify.ts';
import { sketches, temporaryFolder } from '../sinks/flow.ts';
import { lines, numbers } from '../support/lines.ts';
import { makeOutput, seal } from './output.ts';

let original: string;
beforeAll(async () => {
  original = await makeOutput();
});
afterAll(() => rm(original, { recursive: true, force: true }));

/** An output of its own for every test that damages one. */
async function copyOfOutput(): Promise<string> {
  const root = await temporaryFolder();
  await cp(original, root, { recursive: true });
  return root;
}

const shard = 'shards/00000-000000.safetensors';
const sidecar = 'shards/00000-000000.hypergraph.db';

async function edit(file: string, change: (bytes: Buffer) => Uint8Array): Promise<void> {
  await writeFile(file, change(await readFile(file)));
}

/** Everything that is found, as `path CODE message`. */
async function findings(root: string): Promise<string[]> {
  const report = await verifyOutput(root);
  expect(report.ok).toBe(report.findings.length === 0);
  return report.findings.map(({ path: file, code, message }) => `${file} ${code} ${message}`);
}

describe('verify', () => {
  it('finds nothing wrong with an output, and tells what it holds', async () => {
    const report = await verifyOutput(await copyOfOutput());
    expect(report).toMatchObject({
      ok: true,
      findings: [],
      more: 0,
      splits: { planned: 2, committed: 2 },
      files: 13,
      totals: { documents: 5, patches: 407, bytes: 2822, rejects: 2, left_out: 1 },
    });
  });

  it('finds nothing wrong with any output', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(sketches({ maxLength: 300, maxPatches: 60 }), { minLength: 1, maxLength: 2 }),
        async (splits) => {
          expect(await findings(await makeOutput(splits))).toEqual([]);
        },
      ),
      { numRuns: 5 },
    );
  });

  it('finds any changed byte of any artefact', async () => {
    const root = await copyOfOutput();
    const { artefacts } = JSON.parse(await readFile(path.join(root, 'manifest.json'), 'utf8'));
    const file = fc.constantFrom(...(artefacts as { path: string; bytes: number }[]));
    await fc.assert(
      fc.asyncProperty(
        file,
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        async ({ path: name, bytes }, place) => {
          const at = Math.floor(place * bytes);
          const flip = (content: Buffer) => {
            content[at] = (content[at] ?? 0) ^ 1;
            return content;
          };
          await edit(path.join(root, name), flip);
          const found = await findings(root);
          await edit(path.join(root, name), flip);
          expect(found).toEqual([`${name} HASH has other bytes than were committed: its SHA-256 differs`]);
        },
      ),
      { numRuns: 12 },
    );
  });

  describe('names the file and what is wrong with it:', () => {
    const faults: [string, (root: string) => Promise<unknown>, string[]][] = [
      ['a shard that is cut off', (root) => truncate(path.join(root, shard), 100), [`${shard} SIZE`]],
      ['a shard that is gone', (root) => rm(path.join(root, shard)), [`${shard} MISSING_FILE`]],
      [
        'a file nobody committed',
        (root) => writeFile(path.join(root, 'shards/00000-000009.safetensors'), ''),
        ['shards/00000-000009.safetensors STRAY'],
      ],
      ['temporary files', (root) => mkdir(path.join(root, '.tmp/x'), { recursive: true }), ['.tmp/x STRAY']],
      [
        'a split that is not finished',
        (root) => rm(path.join(root, 'commits/00001.json')),
        ['commits/00001.json MISSING_COMMIT', 'manifest.json MANIFEST'],
      ],
      [
        'a commit that is no JSON',
        (root) => writeFile(path.join(root, 'commits/00000.json'), '{'),
        ['commits/00000.json BAD_COMMIT', 'manifest.json MANIFEST'],
      ],
      [
        'a commit of another split',
        (root) => rename(path.join(root, 'commits/00001.json'), path.join(root, 'commits/00000.json')),
        ['commits/00000.json BAD_COMMIT', 'commits/00001.json MISSING_COMMIT'],
      ],
      ['a manifest that is gone', (root) => rm(path.join(root, 'manifest.json')), ['manifest.json MISSING_MANIFEST']],
      [
        'a manifest with another total',
        (root) =>
          edit(path.join(root, 'manifest.json'), (text) =>
            Buffer.from(text.toString().replace('"patches": 407', '"patches": 408')),
          ),
        ['manifest.json MANIFEST'],
      ],
      [
        'a plan that was edited',
        (root) =>
          edit(path.join(root, 'plan.json'), (text) => Buffer.from(text.toString().replace('"seed":0', '"seed":1'))),
        ['plan.json DIGEST'],
      ],
      [
        'plan rejects that are gone',
        (root) => rm(path.join(root, 'rejects/plan.jsonl')),
        ['rejects/plan.jsonl UNREADABLE'],
      ],
    ];
    it.each(faults)('%s', async (_, damage, expected) => {
      const root = await copyOfOutput();
      await damage(root);
      const found = await findings(root);
      for (const line of expected) expect(found).toContainEqual(expect.stringContaining(line));
    });
  });

  describe('finds what a hash cannot tell:', () => {
    /** The shard anew, with one tensor or its metadata changed. */
    const rewrite = async (
      root: string,
      change: { lengths?: number[]; prominence?: number[]; metadata?: Record<string, string> },
    ) => {
      const f32 = (values: number[]) => [new Uint8Array(Float32Array.from(values).buffer)];
      const bytes = (await readFile(path.join(root, shard))).subarray(-20);
      const metadata = {
        format: 'blt_patches_v3',
        embed_dim: '4',
        num_patches: '5',
        n_patches: '5',
        total_bytes: '20',
        split: '00000',
        shard: '0',
      };
      const chunks = safetensorsChunks(
        [
          { name: 'embeddings', dtype: 'F32', shape: [5, 4], chunks: f32(Array(20).fill(0)) },
          { name: 'patch_entropies', dtype: 'F32', shape: [5], chunks: f32(Array(5).fill(1)) },
          { name: 'prominence', dtype: 'F32', shape: [5], chunks: f32(change.prominence ?? Array(5).fill(1)) },
          {
            name: 'patch_lengths',
            dtype: 'I32',
            shape: [5],
            chunks: [new Uint8Array(Int32Array.from(change.lengths ?? [3, 4, 2, 5, 6]).buffer)],
          },
          { name: 'bytes', dtype: 'U8', shape: [20], chunks: [bytes] },
        ],
        { ...metadata, ...change.metadata },
      );
      await writeFile(path.join(root, shard), Buffer.concat([...chunks]));
    };
    const sql = async (root: string, statement: string): Promise<void> => {
      const db = new Database(path.join(root, sidecar));
      db.exec(statement);
      db.close();
    };
    const faults: [string, (root: string) => Promise<unknown>, string][] = [
      [
        'lengths that do not add up',
        (root) => rewrite(root, { lengths: [3, 4, 2, 5, 5] }),
        `${shard} CONTENT has patch lengths that add up to 19, and 20 bytes`,
      ],
      [
        'a patch of no bytes',
        (root) => rewrite(root, { lengths: [3, 4, 2, 11, 0] }),
        `${shard} CONTENT has a patch of 0 bytes`,
      ],
      [
        'a number that is not finite',
        (root) => rewrite(root, { prominence: [1, 1, Number.NaN, 1, 1] }),
        `${shard} CONTENT has prominence[2] = NaN`,
      ],
      [
        'a negative norm',
        (root) => rewrite(root, { prominence: [1, 1, -1, 1, 1] }),
        `${shard} CONTENT has prominence[2] = -1`,
      ],
      [
        'metadata of another size',
        (root) => rewrite(root, { metadata: { n_patches: '6' } }),
        `${shard} CONTENT says n_patches is '6', and it is '5'`,
      ],
      [
        'prominence that differs between the files',
        (root) => rewrite(root, { prominence: [1, 2, 3, 4, 5] }),
        `${sidecar} CONTENT has a row of sphere_patches as`,
      ],
      [
        'a header in another order',
        (root) => edit(path.join(root, shard), swapMetadata),
        `${shard} CONTENT has a header that is valid but not laid out`,
      ],
      [
        'bytes behind the last tensor',
        (root) => edit(path.join(root, shard), (bytes) => Buffer.concat([bytes, Buffer.alloc(3)])),
        `${shard} SAFETENSORS_OFFSETS`,
      ],
      [
        'a sidecar that is no database',
        (root) => writeFile(path.join(root, sidecar), 'text'),
        `${sidecar} BAD_SIDECAR`,
      ],
      [
        'a sidecar without a table',
        (root) => sql(root, 'DROP TABLE segments'),
        `${sidecar} BAD_SIDECAR cannot be read: no such table: segments`,
      ],
      [
        'another schema version',
        (root) => sql(root, "UPDATE meta SET value = '2' WHERE key = 'schema_version'"),
        `${sidecar} CONTENT has schema version '2'`,
      ],
      [
        'documents that overlap',
        (root) => sql(root, 'UPDATE documents SET first_patch = 1 WHERE document = 2'),
        `${sidecar} CONTENT has first_patch of document 'doc-2' as 1, and it should be 3`,
      ],
      [
        'a document of other bytes',
        (root) => sql(root, "UPDATE documents SET content_sha256 = 'x' WHERE document = 2"),
        `${sidecar} CONTENT lists document 'doc-2' with a hash`,
      ],
      [
        'a document that is missing',
        (root) => sql(root, 'DELETE FROM documents WHERE document = 2'),
        `${sidecar} CONTENT has the number of patches as 3, and it should be 5`,
      ],
      [
        'a patch that is missing',
        (root) => sql(root, 'DELETE FROM sphere_patches WHERE patch_idx = 4'),
        `${sidecar} CONTENT has a row of sphere_patches as nothing`,
      ],
      [
        'an edge to another patch',
        (root) => sql(root, 'UPDATE sphere_edges SET dst_patch = 4 WHERE id = 0'),
        `${sidecar} CONTENT has a row of sphere_edges as 0 4 1 next`,
      ],
      [
        'an edge too many',
        (root) => sql(root, "INSERT INTO sphere_edges VALUES (99, 0, 1, 1, 'next')"),
        `${sidecar} CONTENT has more sphere_edges than its documents need`,
      ],
      [
        'a node that is damaged',
        (root) => sql(root, "UPDATE nodes SET data = x'02' WHERE id = 2"),
        `${sidecar} BAD_BINCODE`,
      ],
      [
        'a hyperedge to another node',
        (root) => sql(root, "UPDATE hyperedges SET data = x'02000208636f6e7461696e730000803f' WHERE id = 0"),
        `${sidecar} CONTENT has hyperedge 0 as contains 0,2 1, and it should be contains 0,1 1`,
      ],
      [
        'JSON that differs from its blob',
        (root) => sql(root, "UPDATE nodes SET metadata = '{}' WHERE id = 2"),
        `${sidecar} CONTENT has metadata of node 2 as {}`,
      ],
      [
        'a part out of turn',
        (root) => sqlOn(root, 'shards/00001-000001.hypergraph.db', 'UPDATE documents SET part = 2 WHERE document = 0'),
        "shards/00001-000001.hypergraph.db PARTS goes on with document 'doc-0'",
      ],
      [
        'reject lines that are no JSON',
        (root) => writeFile(path.join(root, 'rejects/00000.jsonl'), 'x\n'),
        'rejects/00000.jsonl LINE has no JSON in line 1',
      ],
      [
        'reject lines without a code',
        (root) => writeFile(path.join(root, 'rejects/00000.jsonl'), '{"stage":"x"}\n'),
        'rejects/00000.jsonl LINE has no code in line 1',
      ],
      [
        'fewer reject lines than were counted',
        (root) => writeFile(path.join(root, 'rejects/00000.jsonl'), ''),
        'rejects/00000.jsonl LINES has 0 lines, and should have 1',
      ],
    ];
    it.each(faults)('%s', async (_, damage, expected) => {
      const root = await copyOfOutput();
      await damage(root);
      await seal(root);
      expect(await findings(root)).toContainEqual(expect.stringContaining(expected));
    });

    it('counts that the files do not hold', async () => {
      const root = await copyOfOutput();
      await seal(root, (commit) => ({ ...commit, counts: { ...commit.counts, patches: 1 } }));
      expect(await findings(root)).toContain(
        'commits/00000.json COUNTS counts 1 patches, and its blt_patches_v3 files in shards hold 5',
      );
    });

    it('more rejects than were written', async () => {
      const root = await copyOfOutput();
      await seal(root, (commit) => ({ ...commit, rejects: 7 }));
      expect(await findings(root)).toContain('commits/00000.json REJECTS counts 7 rejects, and its files hold 1');
    });
  });

  describe('knows that a run under a document limit leaves splits out:', () => {
    const limited = async (limit: number): Promise<string> => {
      const output = await temporaryFolder();
      const pipeline = definePipeline('limited', numbers([3, 4, 5, 0]))
        .pipe(map((document) => document))
        .to(lines());
      await run(pipeline, { output, limit, workers: 2 });
      return output;
    };
    const codes = async (root: string): Promise<string[]> =>
      (await verifyOutput(root)).findings.map(({ path: file, code }) => `${file} ${code}`);

    it.each([
      [1, 1],
      [3, 1],
      [4, 2],
      [7, 2],
      [8, 3],
      [12, 3],
      [13, 4],
    ])('an output of %i documents holds %i splits and is complete', async (limit, committed) => {
      const root = await limited(limit);
      expect(await verifyOutput(root)).toMatchObject({ findings: [], splits: { planned: 4, committed } });
      expect((await inspectOutput(root)).complete).toBe(true);
      await rm(path.join(root, 'manifest.json'));
      expect(await codes(root)).toEqual(['manifest.json MISSING_MANIFEST']);
    });

    it('a split before the limit is missing, and those behind it are not', async () => {
      const root = await limited(5);
      await rm(path.join(root, 'commits/00001.json'));
      await rm(path.join(root, 'manifest.json'));
      expect(await codes(root)).toEqual(['commits/00001.json MISSING_COMMIT', 'lines/00001.txt STRAY']);
      expect((await inspectOutput(root)).complete).toBe(false);
    });

    it('a first split that is missing is told, whatever comes after it', async () => {
      const root = await limited(5);
      await rm(path.join(root, 'commits/00000.json'));
      expect(await codes(root)).toContain('commits/00000.json MISSING_COMMIT');
      expect((await inspectOutput(root)).complete).toBe(false);
    });

    it('a commit behind the limit, or of more documents than it leaves, is none of the run', async () => {
      const root = await limited(7);
      const first = await readFile(path.join(root, 'commits/00000.json'), 'utf8');
      await writeFile(
        path.join(root, 'commits/00002.json'),
        JSON.stringify({ ...JSON.parse(first), split: '00002', artefacts: [] }),
      );
      expect(await codes(root)).toContain('commits/00002.json LIMIT');
      await writeFile(
        path.join(root, 'commits/00000.json'),
        first.replace('"documents_read": 3', '"documents_read": 8'),
      );
      expect(await codes(root)).toContain('commits/00000.json LIMIT');
    });
  });

  it('keeps a bounded number of findings, and counts the rest', async () => {
    const root = await copyOfOutput();
    await rm(path.join(root, 'shards'), { recursive: true });
    const { findings: kept, more, ok } = await verifyOutput(root, { maxFindings: 2 });
    expect({ kept: kept.length, more, ok }).toEqual({ kept: 2, more: 10, ok: false });
  });

  it('refuses a folder that holds no output', async () => {
    await expect(verifyOutput(await temporaryFolder())).rejects.toMatchObject({ code: 'NO_PLAN' });
  });
});

/** Exchanges the first two members of `__metadata__`, which keeps the header valid and as long as it was. */
function swapMetadata(file: Buffer): Buffer {
  const text = file.toString('latin1');
  return Buffer.from(text.replace(/("embed_dim":"4"),("format":"blt_patches_v3")/, '$2,$1'), 'latin1');
}

async function sqlOn(root: string, file: string, statement: string): Promise<void> {
  const db = new Database(path.join(root, file));
  db.exec(statement);
  db.close();
}
