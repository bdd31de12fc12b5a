import { availableParallelism } from 'node:os';
import path from 'node:path';
import { OutputError, PipelineError } from '../errors.ts';
import type { ModelSettings } from '../model/openOptions.ts';
import type { Split } from '../sources/source.ts';
import { type CommitRecord, readCommit } from './commitRecord.ts';
import { isTemplate, type Pipeline, type PipelineTemplate } from './definition.ts';
import { asDiskError, OutputFolder } from './durable.ts';
import { runSplits } from './engines/local.ts';
import { writeManifest } from './manifest.ts';
import { divideMemory, type MemoryPlan } from './memory.ts';
import { lockOutput } from './outputLock.ts';
import { clearOutput, requireOwnFolder } from './ownFolder.ts';
import {
  createPlan,
  makeRecipe,
  type Plan,
  type PlanOptions,
  readPlan,
  requireSamePlan,
  sourceHolds,
  stagesOf,
} from './plan.ts';
import { sharedPool } from './pool.ts';
import type { SplitRun } from './splitRun.ts';

export interface RunOptions extends PlanOptions {
  readonly output: string;
  /** Worker threads, and splits in flight. The output never depends on it. Default: one per core. */
  readonly workers?: number | undefined;
  /** Bytes of memory to stay under. Default: what every stage asks for. */
  readonly memory?: number | undefined;
  /** Throw away what a former run has put into the output folder. */
  readonly fresh?: boolean | undefined;
  /** How models are run; goes before what the pipeline says. */
  readonly model?: ModelSettings | undefined;
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
  | { readonly type: 'committed'; readonly record: CommitRecord };

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
  const pipeline = { ...built(definition), model: options.model };
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
    if (options.fresh) await clearOutput(folder);
    await folder.prepare();
    const stored = await readPlan(folder.root);
    if (stored !== undefined) requireSamePlan(folder.root, stored, recipe);
    const plan = stored ?? (await createPlan(folder, pipeline, recipe, signal));
    const commits = await readCommits(folder.root, plan);
    const memory = planMemory(pipeline, options, plan.splits);
    options.onEvent?.({ type: 'planned', plan, memory, committed: new Map(commits) });
    const ran = await runSplits({ pipeline, plan, folder, memory, commits, signal, onEvent: options.onEvent });
    await writeManifest(folder, plan, inOrder(plan, commits));
    await folder.tidy();
    return { output: folder.root, ran, seconds: (performance.now() - begun) / 1000, ...totals(plan, commits) };
  } catch (error) {
    throw error instanceof OutputError ? error : asOutputError(error, folder.root);
  } finally {
    await unlock();
  }
}

export const workersOf = (options: { readonly workers?: number | undefined }): number =>
  options.workers ?? availableParallelism();

/** Divides memory for a pipeline as `run` will. */
export function planMemory(
  pipeline: Pipeline,
  options: Pick<RunOptions, 'workers' | 'memory'>,
  splits: readonly Split[],
): MemoryPlan {
  const workers = workersOf(options);
  return divideMemory({
    stages: stagesOf(pipeline),
    source: sourceHolds(pipeline.source, splits),
    sinks: pipeline.sinks.reduce((bytes, sink) => bytes + sink.holds, 0),
    workers,
    splits: Math.min(workers, splits.length),
    budget: options.memory,
  });
}

function built(definition: Pipeline | PipelineTemplate): Pipeline {
  if (!isTemplate(definition)) return definition;
  throw new PipelineError(`pipeline '${definition.name}' still needs its parameters`, {
    code: 'NOT_BUILT',
    hint: `call ${definition.name}.build({...}) first`,
  });
}

async function readCommits(root: string, plan: Plan): Promise<Map<string, CommitRecord>> {
  const commits = new Map<string, CommitRecord>();
  for (const { id } of plan.splits) {
    const record = await readCommit(root, id);
    if (record !== undefined) commits.set(id, record);
  }
  return commits;
}

function inOrder(plan: Plan, commits: ReadonlyMap<string, CommitRecord>): CommitRecord[] {
  return plan.splits.flatMap(({ id }) => commits.get(id) ?? []);
}

function totals(
  plan: Plan,
  commits: ReadonlyMap<string, CommitRecord>,
): Pick<RunSummary, 'splits' | 'counts' | 'rejects'> {
  const counts: Record<string, number> = {};
  let rejects = plan.left_out;
  for (const record of inOrder(plan, commits)) {
    rejects += record.rejects;
    for (const [name, count] of Object.entries(record.counts)) counts[name] = (counts[name] ?? 0) + count;
  }
  return { splits: commits.size, counts, rejects };
}

/** Errors of reading the plan or clearing the folder come from the output too. */
function asOutputError(error: unknown, root: string): unknown {
  const file = (error as { path?: unknown } | null)?.path;
  return typeof file === 'string' && (file === root || file.startsWith(root + path.sep))
    ? asDiskError(error, root)
    : error;
}
