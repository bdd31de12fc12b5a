import { mkdir } from 'node:fs/promises';
import type { CommitRecord } from '../../../../src/run/commitRecord.ts';
import { OutputFolder } from '../../../../src/run/durable.ts';
import { writeManifest } from '../../../../src/run/manifest.ts';
import { planOf } from '../../../run/output.ts';

/** A finished output of one split with these files, in formats that nothing is known of. */
export async function plainOutput(root: string, files: Readonly<Record<string, string | Uint8Array>>): Promise<void> {
  await mkdir(root, { recursive: true });
  const folder = new OutputFolder(root);
  const plan = planOf(1);
  await folder.prepare();
  const artefacts = [];
  for (const name of Object.keys(files).sort()) {
    artefacts.push(await folder.publish(name, files[name] ?? '', { format: 'plain' }));
  }
  const commit: CommitRecord = { split: '00000', artefacts, counts: {}, rejects: 0 };
  await folder.publish('plan.json', JSON.stringify(plan));
  await folder.publish('commits/00000.json', JSON.stringify(commit));
  await writeManifest(folder, plan, [commit]);
  await folder.tidy();
}
