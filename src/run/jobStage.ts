import type { Artefact, ArtefactFile } from '../sinks/artefact.ts';
import type { Split } from '../sources/source.ts';
import type { CommitRecord } from './commitRecord.ts';

/** What is known of a run between its stages. */
export interface JobView {
  /** Absolute path of the output folder. */
  readonly root: string;
  readonly splits: readonly Split[];
  /** Commits of a pass or stage that is complete, in the order of the plan or of its tasks; those of the splits for `''`. */
  commitsOf(stage: string): readonly CommitRecord[];
}

/** One task of a stage: the unit that is committed, resumed and given to a worker. */
export interface TaskContext extends JobView {
  /** What `tasks` called it. */
  readonly task: string;
  readonly signal: AbortSignal;
  /** Opens a file: `<stage>-<task>.<anything>`, or one that the stage names in `files`. */
  file(path: string): Promise<ArtefactFile>;
}

/**
 * A step of a run over all of its splits: tasks that read what earlier passes and stages have written, and write files.
 * Tasks may run in any order, on any machine that sees the output folder; what they write depends on their inputs alone.
 */
export interface JobStage {
  /** `folder/name`: its files are `folder/name-<task>.<...>`, its commits `commits/folder/name-<task>.json`. */
  readonly name: string;
  /** Bytes that one task holds besides a worker thread of its own. */
  readonly holds: number;
  /** The same when the steps before it are complete, where they decide it; `holds`, which a plan takes, is a guess then. */
  readonly holdsFor?: ((job: JobView) => number) | undefined;
  /** Other files it writes, relative to the output folder. */
  readonly files?: readonly string[] | undefined;
  /** Its tasks in order, each letters and digits; asked once all before it is committed. */
  tasks(job: JobView): Promise<readonly string[]>;
  /** Publishes every file it opens. Returns counts for the commit record. */
  run(context: TaskContext): Promise<Record<string, number>>;
}

/** Name of a commit: that of the split in the run proper, else with the pass or stage before it. */
export function commitName(stage: string, task: string): string {
  return stage === '' ? task : `${stage}-${task}`;
}

/** Whether a file may go once the run is complete. */
export function isTemporary({ info }: Artefact): boolean {
  return info['temporary'] === true;
}
