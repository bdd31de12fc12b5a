import { availableParallelism } from 'node:os';
import path from 'node:path';
import { OutputError, PipelineError } from '../errors.ts';
import type { ModelSettings } from '../model/openOptions.ts';
import type { Split } from '../sources/source.ts';
import type { CommitRecord } from './commitRecord.ts';
import type { MediaSettings } from './context.ts';
import { isTemplate, type Pipeline, type PipelineTemplate } from './definition.ts';
import { asDiskError, OutputFolder } from './durable.ts';
import { Job } from './job.ts';
import type { JobStage } from './jobStage.ts';
import { writeManifest } from './manifest.ts';
import { BASE_BYTES, divideMemory, type MemoryPlan, WORKER_BYTES } from './memory.ts';
import { lockOutput } from './outputLock.ts';
import { clearOutput, clearUncommitted, requireOwnFolder } from './ownFolder.ts';
import {
  createPlan,
  isPlanOf,
  makeRecipe,
  otherPlan,
  type Plan,
  type PlanOptions,
  type Recipe,
  readPlan,
  sourceHolds,
  stagesOf,
} from './plan.ts';
import { sharedPool } from './pool.ts';
import type { SplitRun } from './splitRun.ts';
import { stepsOf, traitsOf } from './stages.ts';

export interface RunOptions extends PlanOptions {
  readonly output: string;
  /** Worker threads, and splits in flight. The output never depends on it. Default: one per core. */
  readonly workers?: number | undefined;
  /** Bytes of memory to stay under. Default: what every stage asks for. */
  readonly memory?: number | undefined;
  /** Throw away what a former run has put into the output folder. */
  readonly fresh?: boolean | undefined;
  /** Share of records that may be rejected; goes before what the pipeline says. Only whether a run stops depends on it. */
  readonly maxRejectRate?: number | undefined;
  /** How models are run; goes before what the pipeline says. */
  readonly model?: ModelSettings | undefined;
  /** How sound and video are decoded, or that they are not. */
  readonly media?: MediaSettings | undefined;
  readonly onEvent?: ((event: RunEvent) => void) | undefined;
}

export type RunEvent =
  | {
      readonly type: 'planned';
      readonly plan: Plan;
      readonly memory: MemoryPlan;
      readonly committed: ReadonlyMap<string, CommitRecord>;
    }
  | { readonly type: 'started'; readonly split: SplitRun }
  /** A device was lost; the split is done again, on a fresh device or on the CPU. */
  | { readonly type: 'retried'; readonly split: string; readonly on: 'device' | 'cpu'; readonly reason: string }
  | { readonly type: 'committed'; readonly record: CommitRecord }
  /** A pass before the run proper, or a stage, begins; `tasks` are those still to be done. Splits of a pass are told of like others. */
  | { readonly type: 'stage'; readonly name: string; readonly tasks: number }
  /** A task of a stage is done. */
  | { readonly type: 'task'; readonly record: CommitRecord };

export interface RunSummary {
  readonly output: string;
  /** Splits committed, those of earlier runs included. */
  readonly splits: number;
  /** Sums over all commits. */
  readonly counts: Readonly<Record<string, number>>;
  readonly rejects: number;
  /** Splits that this call ran. */
  readonly ran: number;
  readonly seconds: number;
}

/**
 * Runs a pipeline to its end, or resumes it: splits that are committed are skipped, everything else is done again.
 * @throws OutputError when the folder belongs to another plan, is locked, or the disk refuses
 * @throws RejectLimitError when too many records fail
 * @throws the reason of `signal` when it is aborted; what was committed stays
 */
export async function run(definition: Pipeline, options: RunOptions): Promise<RunSummary> {
  const pipeline = withRunOptions(built(definition), options);
  requireReadable(pipeline);
  const begun = performance.now();
  sharedPool().resize(workersOf(options));
  const signal = options.signal ?? new AbortController().signal;
  const folder = new OutputFolder(options.output);
  const unlock = await lockOutput(folder.root).catch((error: unknown) => {
    throw asDiskError(error, folder.root);
  });
  try {
    const recipe = await makeRecipe(pipeline, options);
    await requireOwnFolder(folder.root);
    for (const operator of pipeline.operators) traitsOf(operator).preparation?.check?.(folder.root);
    if (options.fresh) await clearOutput(folder);
    await folder.prepare();
    const plan = (await planOf(folder, recipe)) ?? (await createPlan(folder, pipeline, recipe, signal));
    const memory = planMemory(pipeline, options, plan.splits);
    const job = new Job({
      pipeline,
      plan,
      folder,
      memoryFor: (pass) => planPass(pass, options, plan.splits),
      tasksAtOnce: (stage, holds) => tasksAtOnce({ ...stage, holds }, options),
      signal,
      onEvent: options.onEvent,
    });
    await job.readPasses();
    options.onEvent?.({ type: 'planned', plan, memory, committed: new Map(named(job.commitsOf(''))) });
    const ran = await job.run();
    await job.dropTemporary();
    const commits = job.commitsOf('');
    await writeManifest(folder, plan, commits, job.besides);
    await folder.tidy();
    return { output: folder.root, ran, seconds: (performance.now() - begun) / 1000, ...totals(plan, commits) };
  } catch (error) {
    throw error instanceof OutputError ? error : asOutputError(error, folder.root);
  } finally {
    await unlock();
  }
}

function withRunOptions(pipeline: Pipeline, { model, media, maxRejectRate }: RunOptions): Pipeline {
  if (maxRejectRate === undefined) return { ...pipeline, model, media };
  return { ...pipeline, model, media, options: { ...pipeline.options, maxRejectRate } };
}

/** The plan in an output folder that is gone on with; one that nothing has come of gives way to another. */
async function planOf(folder: OutputFolder, recipe: Recipe): Promise<Plan | undefined> {
  const stored = await readPlan(folder.root);
  if (stored === undefined || isPlanOf(stored, recipe)) return stored;
  if (await clearUncommitted(folder, stored)) return undefined;
  throw otherPlan(folder.root, stored, recipe);
}

export const workersOf = (options: { readonly workers?: number | undefined }): number =>
  options.workers ?? availableParallelism();

const named = (commits: readonly CommitRecord[]): [string, CommitRecord][] =>
  commits.map((commit) => [commit.split, commit]);

function requireReadable({ source, ...rest }: Pipeline): void {
  const passes = stepsOf({ source, ...rest }).filter((step) => step.kind === 'pass');
  if (passes.length === 1 || !source.once) return;
  throw new PipelineError(
    `'${source.kind}' passes once, and this pipeline reads its input in ${passes.length} passes`,
    {
      code: 'READ_ONCE',
      hint: 'save it to a file and read that',
    },
  );
}

type MemoryOptions = Pick<RunOptions, 'workers' | 'memory'>;

/** Divides memory for one pass of a pipeline over its splits. */
function planPass(pipeline: Pipeline, options: MemoryOptions, splits: readonly Split[]): MemoryPlan {
  const workers = workersOf(options);
  return divideMemory({
    stages: stagesOf(pipeline),
    source: sourceHolds(pipeline.source, splits),
    ahead: pipeline.source.ahead?.holds,
    sinks: pipeline.sinks.reduce((bytes, sink) => bytes + sink.holds, 0),
    workers,
    splits: Math.min(workers, splits.length),
    budget: options.memory,
  });
}

/** Divides memory for a pipeline as `run` will: the run proper, bounded by whichever pass or stage takes most. */
export function planMemory(pipeline: Pipeline, options: MemoryOptions, splits: readonly Split[]): MemoryPlan {
  const proper = planPass(pipeline, options, splits);
  let { bound } = proper;
  let largest: string | undefined;
  for (const step of stepsOf(pipeline)) {
    if (step.kind === 'pass' && step.name === '') continue;
    const [name, bytes] =
      step.kind === 'stage'
        ? [step.stage.name, stageBytes(step.stage, options, tasksAtOnce(step.stage, options))]
        : [step.name, planPass(step.pipeline, options, splits).bound];
    if (bytes <= bound) continue;
    bound = bytes;
    largest = name;
  }
  return { ...proper, bound, largest };
}

function stageBytes(stage: JobStage, { workers }: MemoryOptions, tasks: number): number {
  return BASE_BYTES + workersOf({ workers }) * WORKER_BYTES + tasks * stage.holds;
}

/** Tasks of a stage in hand: one for each worker, or as many as memory allows. */
function tasksAtOnce(stage: JobStage, options: MemoryOptions): number {
  const { memory = Number.POSITIVE_INFINITY } = options;
  let tasks = workersOf(options);
  while (tasks > 1 && stageBytes(stage, options, tasks) > memory) tasks--;
  if (stageBytes(stage, options, tasks) <= memory) return tasks;
  throw new PipelineError(`${Math.round(memory / 1e6)} MB of memory is too little for stage '${stage.name}'`, {
    code: 'MEMORY_TOO_SMALL',
    hint: `give at least --memory ${Math.ceil(stageBytes(stage, options, 1) / 1e6)}MB${workersOf(options) > 1 ? ', or fewer --workers' : ''}`,
  });
}

function built(definition: Pipeline | PipelineTemplate): Pipeline {
  if (!isTemplate(definition)) return definition;
  throw new PipelineError(`pipeline '${definition.name}' still needs its parameters`, {
    code: 'NOT_BUILT',
    hint: `call ${definition.name}.build({...}) first`,
  });
}

function totals(plan: Plan, commits: readonly CommitRecord[]): Pick<RunSummary, 'splits' | 'counts' | 'rejects'> {
  const counts: Record<string, number> = {};
  let rejects = plan.left_out;
  for (const record of commits) {
    rejects += record.rejects;
    for (const [name, count] of Object.entries(record.counts)) counts[name] = (counts[name] ?? 0) + count;
  }
  return { splits: commits.length, counts, rejects };
}

/** Errors of reading the plan or clearing the folder come from the output too. */
function asOutputError(error: unknown, root: string): unknown {
  const file = (error as { path?: unknown } | null)?.path;
  return typeof file === 'string' && (file === root || file.startsWith(root + path.sep))
    ? asDiskError(error, root)
    : error;
}
