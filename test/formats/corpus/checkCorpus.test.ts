import { copyFile, cp, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkSidecar } from '../../../src/formats/checkSidecar.ts';
import { checkCorpus } from '../../../src/formats/corpus/checkCorpus.ts';
import { verifyOutput } from '../../../src/run/verify.ts';
import { temporaryFolder } from '../../sinks/flow.ts';
import { clusters, opened, runGraph, sketched } from '../../support/graphs.ts';
import { sealAll } from '../../support/seal.ts';

let original: string;
beforeAll(async () => {
  const documents = Array.from({ length: 8 }, (_, i) => ({ segments: [Array(12).fill(4)], record: `r${i >> 1}` }));
  const splits = [documents, [...documents, { segments: [Array(150).fill(4)] }]];
  const options = { shardBytes: 8192, semantic: { threshold: 0.7, documents: { threshold: 0.2 } }, into: 'graph.db' };
  original = await runGraph(sketched(splits, 8, clusters(1, 5, 8)), options, 1);
});
afterAll(() => rm(path.dirname(original), { recursive: true, force: true }));

async function sealed(file: string, statement: string): Promise<string[]> {
  const root = path.join(await temporaryFolder(), 'out');
  await cp(original, root, { recursive: true });
  change(path.join(root, file), statement);
  await sealAll(root);
  return (await verifyOutput(root)).findings.map(({ path: name, code, message }) => `${name} ${code} ${message}`);
}

function change(file: string, statement: string): void {
  const db = new Database(file);
  const { changes } = db.prepare(statement).run();
  if (!/^(DROP|CREATE)/.test(statement)) expect(changes).toBe(1);
  db.close();
}

/** A changed copy of a file of the output. */
async function changed(file: string, statement: string): Promise<string> {
  const copy = path.join(await temporaryFolder(), path.basename(file));
  await copyFile(path.join(original, file), copy);
  change(copy, statement);
  return copy;
}

async function findings(statement: string): Promise<string[]> {
  const names = (await readdir(path.join(original, 'shards'))).filter((name) => name.endsWith('.db')).sort();
  const parts = names.map((name) => ({
    file: path.join(original, 'shards', name),
    path: `shards/${name}`,
    split: name.slice(0, 5),
    shard: Number(name.slice(6, 12)),
  }));
  const found: string[] = [];
  await checkCorpus(
    await changed('graph.db', statement),
    parts,
    (what) => found.push(what),
    async () => {},
  );
  return found;
}

describe('verify of the database of a whole run', () => {
  it('finds nothing wrong with what a run has written', async () => {
    expect((await verifyOutput(original)).findings).toEqual([]);
  });

  it('compares it with the sidecars of the output', async () => {
    expect(await sealed('graph.db', 'DELETE FROM documents WHERE document = 4')).toEqual([
      'graph.db CONTENT lacks row 4 of documents',
    ]);
  });

  it.each([
    ["UPDATE nodes SET metadata = '{}' WHERE id = 7", 'row 7 of nodes other than the sidecar it comes from'],
    ['DELETE FROM nodes WHERE id = 9', 'row 9 of nodes other than the sidecar it comes from'],
    ["UPDATE nodes SET metadata = '{}' WHERE id = (SELECT max(node_id) FROM documents)", 'of nodes with "{}" where'],
    ['UPDATE hyperedges SET vertices = data WHERE id = 3', 'row 3 of hyperedges with a blob'],
    ['UPDATE sphere_patches SET prominence = 9 WHERE patch_idx = 5', 'of sphere_patches other than the sidecar'],
    ['UPDATE sphere_edges SET weight = 2 WHERE id = 4', 'row 4 of sphere_edges other than the sidecar'],
    [
      "UPDATE sphere_edges SET weight = 0.5 WHERE id = (SELECT max(id) FROM sphere_edges WHERE label = 'same_source')",
      '0.5',
    ],
    [
      'DELETE FROM sphere_edges WHERE id = (SELECT max(id) FROM sphere_edges)',
      'of sphere_edges other than the sidecar',
    ],
    ["INSERT INTO sphere_edges VALUES (99999, 0, 1, 1, 'next')", 'more sphere_edges than its documents need'],
    [
      "UPDATE documents SET record = 'other' WHERE document = 2",
      'row 2 of documents with "other" where "r1" should be',
    ],
    ['UPDATE segments SET patches = 1 WHERE segment = 2', 'row 2 of segments with 1 where 12 should be'],
    ['UPDATE shards SET first_patch = 1 WHERE shard = 1', 'row 1 of shards'],
    [
      'DELETE FROM document_edges WHERE src_document = 3 AND dst_document = (SELECT min(dst_document) FROM document_edges WHERE src_document = 3)',
      'lacks row',
    ],
    ['UPDATE document_vectors SET vector = zeroblob(32) WHERE document = 0', 'row 0 of document_vectors with a blob'],
    ["UPDATE meta SET value = '4' WHERE key = 'schema_version'", "schema_version is '4'"],
    ['DROP INDEX idx_documents_record', 'lacks the index idx_documents_record'],
    ['DROP TABLE document_edges', 'lacks the table document_edges'],
  ])('finds %s', async (statement, what) => {
    expect(await findings(statement)).toContainEqual(expect.stringContaining(what));
  });
});

describe('verify of links in a sidecar', () => {
  const sidecar = 'shards/00000-000000.hypergraph.db';
  it.each([
    [
      'UPDATE sphere_edges SET weight = 0.71 WHERE id = (SELECT max(id) FROM sphere_edges)',
      'of sphere_edges with 0.71 where',
    ],
    ['DELETE FROM sphere_edges WHERE id = (SELECT max(id) FROM sphere_edges)', 'lacks row'],
    ['DELETE FROM hyperedges WHERE id = (SELECT max(id) FROM hyperedges)', 'lacks row'],
    ['UPDATE document_vectors SET vector = zeroblob(32) WHERE document = 0', 'row 0 of document_vectors with a blob'],
    ['UPDATE patch_samples SET vector = zeroblob(32) WHERE patch_idx = 0', 'row 0 of patch_samples with a blob'],
    ["UPDATE documents SET record = 'other' WHERE document = 0", 'sphere_edges'],
  ])('finds %s', async (statement, what) => {
    const { patches, bytes } = opened(original, sidecar)
      .prepare('SELECT sum(patches) AS patches, sum(bytes) AS bytes FROM documents')
      .get() as { patches: number; bytes: number };
    const found: string[] = [];
    const beside = path.join(original, sidecar.replace('.hypergraph.db', '.safetensors'));
    await checkSidecar(await changed(sidecar, statement), { patches, bytes }, beside, (complaint) =>
      found.push(complaint),
    );
    expect(found).toContainEqual(expect.stringContaining(what));
  });

  it('finds the hash of a divided document that the bytes of its parts do not have', async () => {
    const names = await readdir(path.join(original, 'shards'));
    const last = `shards/${names
      .filter((name) => /^00001.*db$/.test(name))
      .sort()
      .at(-1)}`;
    const statement = 'UPDATE documents SET whole_sha256 = content_sha256 WHERE whole_sha256 IS NOT NULL';
    expect(await sealed(last, statement)).toContainEqual(
      expect.stringContaining(`${last} CONTENT lists document '00001-8' with a hash that its bytes do not have`),
    );
  });
});
