import { createHash } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { CommitRecord } from '../../src/run/commitRecord.ts';
import { buildManifest, manifestText } from '../../src/run/manifest.ts';
import type { Plan } from '../../src/run/plan.ts';

/** Commits what lies in an output now, stages besides its splits included, as if it had been written so. */
export async function sealAll(root: string): Promise<void> {
  const plan: Plan = JSON.parse(await readFile(path.join(root, 'plan.json'), 'utf8'));
  const names = (await readdir(path.join(root, 'commits'), { recursive: true })).filter((name) =>
    name.endsWith('.json'),
  );
  const commits = new Map<string, CommitRecord>();
  for (const name of names.sort()) {
    const file = path.join(root, 'commits', name);
    const commit: CommitRecord = JSON.parse(await readFile(file, 'utf8'));
    const artefacts = await Promise.all(
      commit.artefacts.map(async (artefact) => {
        const bytes = await readFile(path.join(root, artefact.path));
        return { ...artefact, bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
      }),
    );
    const sealed = { ...commit, artefacts };
    await writeFile(file, JSON.stringify(sealed));
    commits.set(sealed.split, sealed);
  }
  const ids = new Set(plan.splits.map(({ id }) => id));
  const own = plan.splits.flatMap(({ id }) => commits.get(id) ?? []);
  const besides = [...commits.values()].filter(({ split }) => !ids.has(split));
  await writeFile(path.join(root, 'manifest.json'), manifestText(buildManifest(plan, own, besides)));
}
