import type { Dirent } from 'node:fs';
import { readdir, readFile, rm, rmdir } from 'node:fs/promises';
import path from 'node:path';
import { OutputError } from '../errors.ts';
import type { OutputFolder } from './durable.ts';
import { PLAN_FILE, PLAN_REJECTS, type Plan } from './plan.ts';

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
  const names = new Set(['commits', '.tmp', ...(await namesOf(folder.root))]);
  for (const name of await readdir(folder.resolve('commits'), { recursive: true }).catch(() => [])) {
    const commit = await parsed<{ artefacts?: { path?: unknown }[] }>(folder.resolve(`commits/${name}`));
    for (const { path: file } of commit.artefacts ?? []) add(names, String(file).split('/')[0]);
  }
  for (const name of await readdir(folder.resolve('rejects')).catch(() => [])) {
    if (`rejects/${name}` !== PLAN_REJECTS) names.add(`rejects/${name}`);
  }
  // The plan goes last but for the list that it counts: until then a run that is ended here has committed nothing.
  names.delete('rejects');
  for (const name of ['manifest.json', ...names, PLAN_FILE, 'rejects']) {
    folder.steps.step('clearing', name);
    await rm(folder.resolve(name), { recursive: true, force: true });
  }
}

/**
 * Removes a plan that nothing has come of, and what its splits have left behind. Where there is a commit, a manifest or
 * anything that no sink or stage of that plan would write, nothing is touched.
 * @returns whether it is gone
 */
export async function clearUncommitted(folder: OutputFolder, plan: Plan): Promise<boolean> {
  const names = new Set(['commits', 'rejects', ...(await namesOf(folder.root))]);
  const left: Dirent[] = [];
  for await (const entry of entriesBelow(folder.root, TRANSIENT)) {
    const file = path.relative(folder.root, placeOf(entry)).replaceAll(path.sep, '/');
    if (['rejects', PLAN_FILE, PLAN_REJECTS].includes(file)) continue;
    const own =
      names.has(file.split('/')[0] ?? '') && (entry.isDirectory() || (entry.isFile() && isOfSplit(file, plan)));
    if (!own) return false;
    left.push(entry);
  }
  for (const entry of left) {
    const place = placeOf(entry);
    folder.steps.step('clearing', place);
    await (entry.isDirectory() ? rmdir(place) : rm(place, { force: true }));
  }
  // What could not be planned stays listed as long as the plan that counts it, and the next one replaces it.
  folder.steps.step('clearing', PLAN_FILE);
  await rm(folder.resolve(PLAN_FILE), { force: true });
  return true;
}

/** Whether a file without a commit is one that a split writes: `folder/<split>...`, or `folder/<pass>-<split>.<...>`. */
function isOfSplit(file: string, { splits }: Plan): boolean {
  const [folder, ...rest] = file.split('/');
  const [, proper, ofPass] = /^(?:(\d{5,})(?!\w)|[a-z][\w-]*-(\d{5,})\.)/i.exec(rest.at(-1) ?? '') ?? [];
  return folder !== 'commits' && Number(proper ?? ofPass ?? Number.NaN) < splits.length;
}

/** Everything below a folder in the order of names, what a folder holds before the folder itself. */
async function* entriesBelow(folder: string, except?: ReadonlySet<string>): AsyncGenerator<Dirent> {
  const entries = await readdir(folder, { withFileTypes: true });
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (except?.has(entry.name)) continue;
    if (entry.isDirectory()) yield* entriesBelow(placeOf(entry));
    yield entry;
  }
}

const placeOf = (entry: Dirent): string => path.join(entry.parentPath, entry.name);

/** Folders and files right below the output that sinks and stages of its plan say they write. */
async function namesOf(root: string): Promise<Set<string>> {
  const names = new Set<string>();
  const { sinks = [], stages = [] } = await rawPlan(root);
  for (const { options } of [...sinks, ...stages]) {
    add(names, options?.dir);
    add(names, options?.index);
    for (const file of [options?.into].flat()) add(names, file);
  }
  return names;
}

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
