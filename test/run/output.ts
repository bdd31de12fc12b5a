import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Patches } from '../../src/records.ts';
import { type CommitRecord, readCommit } from '../../src/run/commitRecord.ts';
import { OutputFolder } from '../../src/run/durable.ts';
import { buildManifest, manifestText } from '../../src/run/manifest.ts';
import { digestOf, type Plan, type Recipe } from '../../src/run/plan.ts';
import type { Artefact } from '../../src/sinks/artefact.ts';
import { hypergraph } from '../../src/sinks/hypergraph.ts';
import { safetensors } from '../../src/sinks/safetensors.ts';
import type { Layout } from '../../src/sinks/shardName.ts';
import { signals } from '../../src/sinks/signals.ts';
import { patchesOf, type Sketch, temporaryFolder, writeAll } from '../sinks/flow.ts';

/** Two splits: one of several documents, one of a document that is larger than a shard. */
export const twoSplits: Sketch[][] = [
  [{ segments: [[3, 4], [2]] }, { segments: [[]] }, { segments: [[5, 6]] }],
  [{ segments: [Array(400).fill(7)] }, { segments: [[1, 1]], derived: 'utf-16le -> utf-8' }],
];

const shardBytes = 16_384;

export function planOf(splits: number, left_out = 0): Plan {
  const options = { dir: 'shards', shardBytes, layout: 'shard' };
  const recipe: Recipe = {
    format: 'sluice_plan_v1',
    pipeline: 'test',
    sluice: '0.0.0',
    source: { kind: 'test', options: null },
    stages: [{ name: 'embed', options: { model: 'tiny' }, identity: { sha256: 'ab' } }],
    sinks: ['safetensors', 'hypergraph', 'signals'].map((kind) => ({ kind, options })),
    definition: null,
    parameters: null,
    seed: 0,
    split_bytes: 1,
    limit: null,
  };
  const ids = Array.from({ length: splits }, (_, i) => String(i).padStart(5, '0'));
  return { ...recipe, digest: digestOf(recipe), splits: ids.map((id) => ({ id, bytes: 1, spec: null })), left_out };
}

const rejectLine = `${JSON.stringify({ stage: 'read', code: 'BAD_JSON', message: 'no JSON', position: { ordinal: 3 } })}\n`;

/**
 * A whole output as a run leaves it, with one reject in the first split and one in the plan.
 * @param change what becomes of the values before they are written
 */
export async function makeOutput(
  splits: readonly Sketch[][] = twoSplits,
  dim = 4,
  change: (values: Patches[]) => Patches[] = (values) => values,
  layout: Layout = 'shard',
): Promise<string> {
  const root = await temporaryFolder();
  const folder = new OutputFolder(root);
  const plan = planOf(splits.length, 1);
  for (const [i, documents] of splits.entries()) {
    const split = plan.splits[i]?.id ?? '';
    const sinks = [
      safetensors('shards', { shardBytes, layout }),
      hypergraph('shards', { shardBytes, layout }),
      signals('shards', { shardBytes, layout }),
    ];
    const { artefacts, counts } = await writeAll(sinks, change(patchesOf(documents, dim)), root, split);
    await folder.prepare();
    if (i === 0)
      artefacts.push(
        await folder.publish(`rejects/${split}.jsonl`, rejectLine, { format: 'sluice_rejects_v1', rejects: 1 }),
      );
    const record: CommitRecord = { split, artefacts: sorted(artefacts), counts, rejects: i === 0 ? 1 : 0 };
    await folder.publish(`commits/${split}.json`, JSON.stringify(record));
  }
  await folder.publish('rejects/plan.jsonl', rejectLine);
  await folder.publish('plan.json', JSON.stringify(plan));
  await folder.tidy();
  await sealManifest(root, plan);
  return root;
}

const sorted = (artefacts: Artefact[]): Artefact[] => artefacts.toSorted((a, b) => (a.path < b.path ? -1 : 1));

async function sealManifest(root: string, plan: Plan): Promise<void> {
  const commits = await Promise.all(plan.splits.map(({ id }) => readCommit(root, id)));
  const manifest = buildManifest(
    plan,
    commits.filter((commit) => commit !== undefined),
  );
  await writeFile(path.join(root, 'manifest.json'), manifestText(manifest));
}

/** Commits what lies in an output now, as if it had been written so: a fault that no hash can tell. */
export async function seal(
  root: string,
  change: (commit: CommitRecord) => CommitRecord = (commit) => commit,
): Promise<void> {
  const plan: Plan = JSON.parse(await readFile(path.join(root, 'plan.json'), 'utf8'));
  await mkdir(path.join(root, 'commits'), { recursive: true });
  for (const { id } of plan.splits) {
    const commit = await readCommit(root, id);
    if (commit === undefined) continue;
    const artefacts = await Promise.all(
      commit.artefacts.map(async (artefact) => {
        const bytes = await readFile(path.join(root, artefact.path));
        return { ...artefact, bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
      }),
    );
    await writeFile(path.join(root, `commits/${id}.json`), JSON.stringify(change({ ...commit, artefacts })));
  }
  await sealManifest(root, plan);
}
