import type { CommitRecord } from '../commitRecord.ts';
import type { Pipeline } from '../definition.ts';
import { DeviceRecovery } from '../deviceRecovery.ts';
import type { OutputFolder } from '../durable.ts';
import { commitName, type JobStage, type JobView } from '../jobStage.ts';
import type { MemoryPlan } from '../memory.ts';
import type { Plan } from '../plan.ts';
import { SplitsAhead } from '../readAhead.ts';
import { RejectKinds } from '../rejectKinds.ts';
import { requireRate } from '../rejects.ts';
import type { RunEvent } from '../run.ts';
import { SplitRun } from '../splitRun.ts';
import { runTask } from '../taskRun.ts';

export interface LocalJob {
  readonly pipeline: Pipeline;
  readonly plan: Plan;
  readonly folder: OutputFolder;
  readonly memory: MemoryPlan;
  /** Which pass over the splits this is; `''` for the run proper. */
  readonly pass: string;
  /** Commits so far, by name; new ones are added. */
  readonly commits: Map<string, CommitRecord>;
  readonly signal: AbortSignal;
  readonly onEvent?: ((event: RunEvent) => void) | undefined;
}

/**
 * Runs the splits that are not committed yet in this process, in the order of the plan, several at a time.
 * Under a document limit they run one after the other: how many documents a split may read depends on those before it.
 * @returns how many splits ran
 */
export async function runSplits(job: LocalJob): Promise<number> {
  const { plan, commits, memory, signal } = job;
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);
  const recovery = new DeviceRecovery(job.pipeline, (event) => job.onEvent?.(event), either);
  const kinds = new Map<string, RejectKinds>();
  const requireRunRate = runRate(job, kinds);
  let left = plan.limit ?? Number.POSITIVE_INFINITY;
  let next = 0;
  let ran = 0;
  const over = new AbortController();
  const todo = plan.splits.filter(({ id }) => !commits.has(commitName(job.pass, id)));
  const ahead = new SplitsAhead(job.pipeline.source, todo, AbortSignal.any([either, over.signal]));

  const work = async (): Promise<void> => {
    while (next < plan.splits.length && left > 0) {
      const split = plan.splits[next++];
      if (split === undefined) return;
      const name = commitName(job.pass, split.id);
      let record = commits.get(name);
      if (record === undefined) {
        either.throwIfAborted();
        const limit = plan.limit === null ? undefined : left;
        // Under a limit nobody knows whether the next split is read at all.
        if (limit === undefined) ahead.reached(todo.indexOf(split));
        record = await recovery.run(split.id, (pipeline, counts) => {
          const { folder, pass } = job;
          const one = new SplitRun({ pipeline, split, pass, folder, memory, limit, counts, signal: either });
          job.onEvent?.({ type: 'started', split: one });
          kinds.set(name, one.rejects.kinds);
          return one.run();
        });
        commits.set(name, record);
        ran++;
        requireRunRate();
        job.onEvent?.({ type: 'committed', record });
      }
      left -= record.counts['documents_read'] ?? 0;
    }
  };

  const atOnce = plan.limit === null ? memory.splitsInFlight : 1;
  const workers = Array.from({ length: atOnce }, () =>
    work().catch((error: unknown) => {
      failed.abort(error);
      throw error;
    }),
  );
  await Promise.allSettled(workers);
  over.abort();
  either.throwIfAborted();
  return ran;
}

export interface LocalTasks {
  readonly stage: JobStage;
  /** Those that are not committed yet. */
  readonly tasks: readonly string[];
  readonly view: JobView;
  readonly folder: OutputFolder;
  /** Tasks in hand at most. */
  readonly atOnce: number;
  readonly signal: AbortSignal;
  done(record: CommitRecord): void;
}

/** Runs the tasks of a stage, several at a time. */
export async function runTasks(job: LocalTasks): Promise<void> {
  const { stage, tasks, view, folder, signal } = job;
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < tasks.length) {
      const task = tasks[next++] ?? '';
      either.throwIfAborted();
      job.done(await runTask(stage, task, view, folder, either));
    }
  };
  const workers = Array.from({ length: Math.min(job.atOnce, tasks.length) }, () =>
    work().catch((error: unknown) => {
      failed.abort(error);
      throw error;
    }),
  );
  await Promise.allSettled(workers);
  either.throwIfAborted();
}

/** Splits end in any order: the rate is that of all splits up to the first that is not committed. */
function runRate({ plan, commits, pipeline, pass }: LocalJob, kindsOf: Map<string, RejectKinds>): () => void {
  const most = pipeline.options.maxRejectRate;
  const kinds = new RejectKinds();
  let next = 0;
  let rejects = 0;
  let records = 0;
  return () => {
    for (; next < plan.splits.length; next++) {
      const { id = '' } = plan.splits[next] ?? {};
      const name = commitName(pass, id);
      const record = commits.get(name);
      if (record === undefined) return;
      rejects += record.rejects;
      records += record.counts['records_read'] ?? 0;
      const own = kindsOf.get(name);
      if (own !== undefined) kinds.append(own);
      kindsOf.delete(name);
      requireRate({ most, rejects, records, where: `all splits up to ${id}`, kinds, listed: pass === '' });
    }
  };
}
