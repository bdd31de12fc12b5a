import { readdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { OutputError } from '../errors.ts';
import type { OutputFolder } from './durable.ts';
import { PLAN_FILE, PLAN_REJECTS } from './plan.ts';

const OURS = /^sluice_plan_v\d+$/;
const TRANSIENT = new Set(['.lock', '.lock.takeover', '.tmp']);

/**
 * Refuses a folder that holds something else than a run's output: one with files and no plan of sluice beside them.
 * @throws OutputError `NOT_EMPTY`
 */
export async function requireOwnFolder(root: string): Promise<void> {
  const names = (await readdir(root)).filter((name) => !TRANSIENT.has(name));
  // A run that was ended between the two leaves the list of what it could not plan, and no plan yet.
  const planning =
    names.every((name) => name === 'rejects') &&
    (await readdir(path.join(root, 'rejects')).catch(() => [])).every((name) => `rejects/${name}` === PLAN_REJECTS);
  if (planning || OURS.test((await rawPlan(root)).format ?? '')) return;
  throw new OutputError('the output folder holds files that no run of sluice has written', {
    code: 'NOT_EMPTY',
    path: root,
    hint: 'give an empty or new folder with --output',
  });
}

/** Removes everything a run has put into an output folder, of whatever version, and nothing else. */
export async function clearOutput(folder: OutputFolder): Promise<void> {
  await requireOwnFolder(folder.root);
  const names = new Set(['commits', 'rejects', '.tmp']);
  const { sinks = [], stages = [] } = await rawPlan(folder.root);
  for (const { options } of [...sinks, ...stages]) {
    add(names, options?.dir);
    add(names, options?.index);
    for (const file of [options?.into].flat()) add(names, file);
  }
  for (const name of await readdir(folder.resolve('commits'), { recursive: true }).catch(() => [])) {
    const commit = await parsed<{ artefacts?: { path?: unknown }[] }>(folder.resolve(`commits/${name}`));
    for (const { path: file } of commit.artefacts ?? []) add(names, String(file).split('/')[0]);
  }
  // The plan goes last: until then a run that is ended here is one that has committed nothing.
  for (const name of ['manifest.json', ...names, PLAN_FILE]) {
    folder.steps.step('clearing', name);
    await rm(folder.resolve(name), { recursive: true, force: true });
  }
}

/** Folders and files right below the output. */
function add(names: Set<string>, name: unknown): void {
  if (typeof name === 'string' && /^[\w-][\w.-]*$/.test(name)) names.add(name);
}

interface RawPart {
  readonly options?: { readonly dir?: unknown; readonly index?: unknown; readonly into?: unknown } | null;
}

interface RawPlan {
  readonly format?: string;
  readonly sinks?: readonly RawPart[];
  readonly stages?: readonly RawPart[];
}

const rawPlan = (root: string): Promise<RawPlan> => parsed<RawPlan>(path.join(root, PLAN_FILE));

/** What a JSON file of any origin holds; an empty object where it is none. */
async function parsed<T extends object>(file: string): Promise<Partial<T>> {
  try {
    const value: unknown = JSON.parse(await readFile(file, 'utf8'));
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
}
