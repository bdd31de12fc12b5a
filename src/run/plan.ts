import { createHash } from 'node:crypto';
import { readdir, readFile, rm } from 'node:fs/promises';
import { EMPTY, type Observable } from 'rxjs';
import { OutputError, PipelineError, type RecordError, SluiceError } from '../errors.ts';
import { monitored, type StageInfo } from '../flow/monitor.ts';
import { canonicalJson, type JsonValue } from '../json.ts';
import type { Source, Split } from '../sources/source.ts';
import { withRun } from './context.ts';
import { flowOf, type Pipeline } from './definition.ts';
import type { OutputFolder } from './durable.ts';
import { Rejects } from './rejects.ts';
import { version } from './version.ts';
import { writeStage } from './writeStage.ts';

/** What decides the bytes of an output, besides the input itself. */
export interface Recipe {
  readonly format: 'sluice_plan_v1';
  readonly pipeline: string;
  readonly sluice: string;
  readonly source: { readonly kind: string; readonly options: JsonValue };
  /** Every stage of sluice in the flow, from source to sink. Plain RxJS operators are known by `definition` only. */
  readonly stages: readonly { readonly name: string; readonly options: JsonValue; readonly identity: JsonValue }[];
  readonly sinks: readonly { readonly kind: string; readonly options: JsonValue }[];
  /** SHA-256 of the pipeline file, where it came from one: the only trace of functions in it. */
  readonly definition: string | null;
  readonly seed: number;
  readonly split_bytes: number;
  /** Documents to read at most; null for all. */
  readonly limit: number | null;
}

export interface Plan extends Recipe {
  /** SHA-256 of the recipe's canonical JSON. */
  readonly digest: string;
  readonly splits: readonly Split[];
  /** Inputs that were left out, listed in `rejects/plan.jsonl`. */
  readonly left_out: number;
}

export const PLAN_FILE = 'plan.json';
export const PLAN_REJECTS = 'rejects/plan.jsonl';
const DEFAULT_SPLIT_BYTES = 8 << 20;

export interface PlanOptions {
  readonly limit?: number | undefined;
  readonly splitBytes?: number | undefined;
  readonly definition?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The stages of a pipeline, from sink to source (the order of subscription), found by feeding its flow nothing. */
export function stagesOf(pipeline: Pipeline): StageInfo[] {
  return collect(flowOf(pipeline, EMPTY).pipe(writeStage(async () => {})));
}

/** Bytes that reading a split holds at most, over all splits: what the source's own stages say when they are subscribed. */
export function sourceHolds(source: Source<unknown>, splits: readonly Split[]): number {
  return splits.reduce((most, split) => {
    const held = collect(source.read(split)).reduce((sum, stage) => sum + (stage.holds ?? 0), 0);
    return Math.max(most, held);
  }, 0);
}

function collect(flow: Observable<unknown>): StageInfo[] {
  const stages: StageInfo[] = [];
  const collector = {
    strict: false,
    stage(info: StageInfo) {
      stages.push(info);
      return { room: info.room, watch: () => {} };
    },
  };
  withRun(new Rejects(), () => monitored(collector, () => flow.subscribe({ error: () => {} }).unsubscribe()));
  return stages;
}

/** Everything about a run that decides its output and is known before the input is looked at. */
export async function makeRecipe(pipeline: Pipeline, options: PlanOptions): Promise<Recipe> {
  const stages = stagesOf(pipeline).reverse();
  return {
    format: 'sluice_plan_v1',
    pipeline: pipeline.name,
    sluice: version,
    source: { kind: pipeline.source.kind, options: pipeline.source.options },
    stages: await Promise.all(
      stages.map(async (stage) => ({
        name: stage.name,
        options: (stage.options ?? null) as JsonValue,
        identity: ((await stage.identify?.()) ?? null) as JsonValue,
      })),
    ),
    sinks: pipeline.sinks.map((sink) => ({ kind: sink.kind, options: sink.options })),
    definition: options.definition ?? null,
    seed: pipeline.options.seed ?? 0,
    split_bytes: options.splitBytes ?? pipeline.options.splitBytes ?? DEFAULT_SPLIT_BYTES,
    limit: options.limit ?? null,
  };
}

export function digestOf(recipe: Recipe): string {
  return createHash('sha256')
    .update(canonicalJson(recipe as unknown as JsonValue))
    .digest('hex');
}

/** Lists the splits of a pipeline's source. Inputs that cannot be read are collected as rejects. */
export async function listSplits(
  pipeline: Pipeline,
  splitBytes: number,
  signal?: AbortSignal,
): Promise<{ splits: Split[]; rejects: Rejects }> {
  const rejects = new Rejects(pipeline.options.onError === 'fail');
  const splits: Split[] = [];
  const context = { splitBytes, signal, reject: (error: RecordError) => rejects.reject('plan', error) };
  for await (const split of pipeline.source.splits(context)) {
    splits.push({ ...split, id: String(splits.length).padStart(5, '0') });
  }
  return { splits, rejects };
}

/** Makes the plan and stores it. From here on the output folder belongs to it. */
export async function createPlan(
  folder: OutputFolder,
  pipeline: Pipeline,
  recipe: Recipe,
  signal?: AbortSignal,
): Promise<Plan> {
  const { splits, rejects } = await listSplits(pipeline, recipe.split_bytes, signal);
  if (splits.length === 0 && rejects.count === 0) {
    throw new PipelineError('the source holds nothing to read', {
      code: 'EMPTY_SOURCE',
      hint: 'check the path and the patterns',
    });
  }
  if (rejects.count > 0) await folder.publish(PLAN_REJECTS, rejects.text());
  const plan: Plan = { ...recipe, digest: digestOf(recipe), splits, left_out: rejects.count };
  await folder.publish(PLAN_FILE, `${canonicalJson(plan as unknown as JsonValue, 1)}\n`);
  return plan;
}

/** The plan an output folder was made by, if it holds one. */
export async function readPlan(root: string): Promise<Plan | undefined> {
  const file = `${root}/${PLAN_FILE}`;
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  try {
    const plan = JSON.parse(text) as Plan;
    if (plan.format !== 'sluice_plan_v1') throw new Error(`its format is '${plan.format}'`);
    return plan;
  } catch (error) {
    throw new OutputError(`${PLAN_FILE} is not a plan of this version: ${(error as Error).message}`, {
      code: 'BAD_PLAN',
      path: file,
      hint: 'run with --fresh to start over, or with the version that wrote it',
      cause: error,
    });
  }
}

/** @throws OutputError `OTHER_PLAN` that names every part of the recipe in which the two differ */
export function requireSamePlan(root: string, stored: Plan, recipe: Recipe): void {
  if (stored.digest === digestOf(recipe)) return;
  const differing = (Object.keys(recipe) as (keyof Recipe)[]).filter(
    (key) => canonicalJson(recipe[key] as JsonValue) !== canonicalJson((stored[key] ?? null) as JsonValue),
  );
  throw new OutputError(
    `the output folder was made by a different run (${differing.join(', ') || 'its plan was edited'} changed)`,
    {
      code: 'OTHER_PLAN',
      path: root,
      hint: 'give another --output, or --fresh to throw away what is there',
    },
  );
}

/** Removes everything a run has put into an output folder, and nothing else. */
export async function clearOutput(folder: OutputFolder): Promise<void> {
  const plan = await readPlan(folder.root).catch((error: unknown) => {
    if (error instanceof SluiceError) return undefined;
    throw error;
  });
  const dirs = new Set(['commits', 'rejects', 'shards', '.tmp']);
  for (const sink of plan?.sinks ?? []) {
    const dir = (sink.options as { dir?: JsonValue } | null)?.dir;
    if (typeof dir === 'string' && /^[\w-]+$/.test(dir)) dirs.add(dir);
  }
  // The plan goes last: until then a run that is ended here is one that has committed nothing.
  for (const name of ['manifest.json', ...dirs, PLAN_FILE]) {
    folder.steps.step('clearing', name);
    await rm(folder.resolve(name), { recursive: true, force: true });
  }
}

/**
 * Refuses a folder that holds something else than a run's output.
 * @throws OutputError `NOT_EMPTY`
 */
export async function requireOwnFolder(root: string): Promise<void> {
  const names = (await readdir(root)).filter((name) => name !== '.lock' && name !== '.tmp');
  // A run that was ended between the two leaves the list of what it could not plan, and no plan yet.
  const planning =
    names.every((name) => name === 'rejects') &&
    (await readdir(`${root}/rejects`).catch(() => [])).every((name) => `rejects/${name}` === PLAN_REJECTS);
  if (names.includes(PLAN_FILE) || planning) return;
  throw new OutputError('the output folder holds files that no run of sluice has written', {
    code: 'NOT_EMPTY',
    path: root,
    hint: 'give an empty or new folder with --output',
  });
}
