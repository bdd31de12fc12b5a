import { createHash } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { EMPTY, type Observable } from 'rxjs';
import { OutputError, PipelineError, type RecordError } from '../errors.ts';
import { monitored, type StageInfo } from '../flow/monitor.ts';
import { canonicalJson, type JsonValue } from '../json.ts';
import type { PlanContext, Source, Split } from '../sources/source.ts';
import { type RunContext, withRun } from './context.ts';
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
  /** Values of the pipeline's parameters, which functions in it may use. */
  readonly parameters: JsonValue;
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
  /** What the source says about its input as a whole; absent where it says nothing. */
  readonly warnings?: readonly string[];
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
  return collect(flowOf(pipeline, EMPTY).pipe(writeStage(async () => {})), pipeline);
}

/** Bytes that reading a split holds at most, over all splits: what the source's own stages say when they are subscribed. */
export function sourceHolds(source: Source<unknown>, splits: readonly Split[]): number {
  return splits.reduce((most, split) => {
    const held = collect(source.read(split)).reduce((sum, stage) => sum + (stage.holds ?? 0), 0);
    return Math.max(most, held);
  }, 0);
}

function collect(flow: Observable<unknown>, { model, media }: Pick<RunContext, 'model' | 'media'> = {}): StageInfo[] {
  const stages: StageInfo[] = [];
  const collector = {
    strict: false,
    stage(info: StageInfo) {
      stages.push(info);
      return { room: info.room, watch: () => {} };
    },
  };
  const rejects = new Rejects();
  const context: RunContext = { model, media, reject: (...given) => rejects.reject(...given) };
  let failed: { readonly error: unknown } | undefined;
  const error = (reason: unknown): void => {
    failed = { error: reason };
  };
  withRun(context, () => monitored(collector, () => flow.subscribe({ error }).unsubscribe()));
  // stages behind one that cannot be had were never seen: a list without them would be a plan of something else
  if (failed !== undefined) throw failed.error;
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
    parameters: pipeline.parameters ?? null,
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

const splitId = (number: number): string => String(number).padStart(5, '0');

/** Lists the splits of a pipeline's source. Inputs that cannot be read are collected as rejects. */
export async function listSplits(
  pipeline: Pipeline,
  splitBytes: number,
  signal?: AbortSignal,
): Promise<{ splits: Split[]; rejects: Rejects; warnings: string[] }> {
  const rejects = new Rejects(pipeline.options.onError === 'fail');
  const splits: Split[] = [];
  const warnings: string[] = [];
  const context: PlanContext = {
    splitBytes,
    signal,
    reject: (error: RecordError) => rejects.reject('plan', error),
    warn: (message) => warnings.push(message),
  };
  for await (const split of pipeline.source.splits(context)) {
    splits.push({ ...split, id: splitId(splits.length) });
  }
  return { splits, rejects, warnings };
}

/** Makes the plan and stores it. From here on the output folder belongs to it. */
export async function createPlan(
  folder: OutputFolder,
  pipeline: Pipeline,
  recipe: Recipe,
  signal?: AbortSignal,
): Promise<Plan> {
  const { splits, rejects, warnings } = await listSplits(pipeline, recipe.split_bytes, signal);
  if (splits.length === 0 && rejects.count === 0) {
    throw new PipelineError('the source holds nothing to read', {
      code: 'EMPTY_SOURCE',
      hint: 'check the path and the patterns',
    });
  }
  if (rejects.count > 0) await folder.publish(PLAN_REJECTS, rejects.text());
  // A run that was ended here before may have left the rejects of an input that has been mended since.
  else await rm(folder.resolve(PLAN_REJECTS), { force: true });
  const said = warnings.length === 0 ? {} : { warnings };
  const plan: Plan = { ...recipe, digest: digestOf(recipe), splits, left_out: rejects.count, ...said };
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
    const whole = Array.isArray(plan.splits) && plan.splits.every((split, i) => split?.id === splitId(i));
    if (!whole || !Array.isArray(plan.sinks)) throw new Error('its splits are not numbered as they are written');
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

/** Whether a stored plan was made of this recipe, and not edited since. */
export function isPlanOf(stored: Plan, recipe: Recipe): boolean {
  return stored.digest === digestOf(recipe) && stored.digest === digestOf(recipeOf(stored));
}

/** What of a plan its digest is made of. */
export const recipeOf = ({ digest: _, splits: __, left_out: ___, warnings: ____, ...own }: Plan): Recipe => own;

/** An `OTHER_PLAN` that names every part of the recipe in which the two differ. */
export function otherPlan(root: string, stored: Plan, recipe: Recipe): OutputError {
  const own = recipeOf(stored);
  const changed = differences(own as unknown as JsonValue, recipe as unknown as JsonValue).slice(0, 6);
  return new OutputError(
    `the output folder was made by a different run (${changed.join(', ') || 'its plan was edited'} changed)`,
    {
      code: 'OTHER_PLAN',
      path: root,
      hint: changed.some((name) => name.endsWith('.device'))
        ? 'give the --device that it was begun with, another --output, or --fresh to throw away what is there'
        : 'give another --output, or --fresh to throw away what is there',
    },
  );
}

/** Names of the members in which two values differ, such as `stages.patch.options.threshold`. */
function differences(a: JsonValue, b: JsonValue, name = ''): string[] {
  if (canonicalJson(a) === canonicalJson(b)) return [];
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return [name];
  const left = a as Record<string, JsonValue>;
  const right = b as Record<string, JsonValue>;
  return [...new Set([...Object.keys(left), ...Object.keys(right)])].flatMap((key) => {
    const label = (left[key] as { name?: string } | null)?.name ?? key;
    return differences(left[key] ?? null, right[key] ?? null, name === '' ? label : `${name}.${label}`);
  });
}
