import { readdir, rm, rmdir, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Artefact } from '../sinks/artefact.ts';
import type { Split } from '../sources/source.ts';
import { type CommitRecord, readCommit } from './commitRecord.ts';
import type { Pipeline } from './definition.ts';
import type { OutputFolder } from './durable.ts';
import { runSplits, runTasks } from './engines/local.ts';
import { commitName, isTemporary, type JobStage, type JobView } from './jobStage.ts';
import { LimitFollower } from './limitFollower.ts';
import type { MemoryPlan } from './memory.ts';
import type { Plan } from './plan.ts';
import type { RunEvent } from './run.ts';
import { type Step, stepsOf } from './stages.ts';

type Pass = Extract<Step, { kind: 'pass' }>;

export interface JobOptions {
  readonly pipeline: Pipeline;
  readonly plan: Plan;
  readonly folder: OutputFolder;
  /** Memory of a pass of this pipeline. */
  memoryFor(pipeline: Pipeline): MemoryPlan;
  /** How many tasks of a stage may be in hand, each of which holds so many bytes. */
  tasksAtOnce(stage: JobStage, holds: number): number;
  readonly signal: AbortSignal;
  readonly onEvent?: ((event: RunEvent) => void) | undefined;
}

/**
 * Everything that a run does, one step after the other: passes over the splits that operators ask for, stages, the run
 * proper, stages behind it. What is committed is not done again.
 */
export class Job implements JobView {
  /** By name. */
  readonly commits = new Map<string, CommitRecord>();
  readonly #options: JobOptions;
  /** Names of the commits of each step that is complete or has begun. */
  readonly #names = new Map<string, string[]>();

  constructor(options: JobOptions) {
    this.#options = options;
  }

  get root(): string {
    return this.#options.folder.root;
  }

  get splits(): Plan['splits'] {
    return this.#options.plan.splits;
  }

  commitsOf(stage: string): CommitRecord[] {
    return (this.#names.get(stage) ?? []).flatMap((name) => this.commits.get(name) ?? []);
  }

  /** Commits of everything but the run proper, by name. */
  get besides(): CommitRecord[] {
    return [...this.#names.keys()].flatMap((stage) => (stage === '' ? [] : this.commitsOf(stage)));
  }

  /** Reads what earlier runs have committed of the passes. */
  async readPasses(): Promise<void> {
    for (const step of stepsOf(this.#options.pipeline)) {
      if (step.kind === 'stage') continue;
      const names = this.#splitsOf(step).map(({ id }) => commitName(step.name, id));
      this.#names.set(step.name, names);
      for (const name of names) await this.#read(name);
    }
  }

  /** @returns how many splits of the run proper it has run */
  async run(): Promise<number> {
    let ran = 0;
    const steps = stepsOf(this.#options.pipeline);
    for (const [i, step] of steps.entries()) {
      if (await this.#isComplete(step)) continue;
      // this step may read what is temporary, which a run that was complete and has lost a commit has no more, and what stages write
      for (const before of steps.slice(0, i)) if (await this.#forgetIncomplete(before)) ran += await this.#do(before);
      ran += await this.#do(step);
    }
    return ran;
  }

  /** @returns how many splits of the run proper it has run */
  async #do(step: Step): Promise<number> {
    if (step.kind === 'pass') {
      const ran = await this.#pass(step);
      return step.name === '' ? ran : 0;
    }
    await this.#stage(step.stage);
    return 0;
  }

  /** Whether nothing is left to do; reads what earlier runs have committed of a stage. */
  async #isComplete(step: Step): Promise<boolean> {
    if (step.kind === 'pass') return this.#leftToDo(step) === 0;
    this.#options.signal.throwIfAborted();
    const names = (await step.stage.tasks(this)).map((task) => commitName(step.stage.name, task));
    for (const name of names) await this.#read(name);
    this.#names.set(step.stage.name, names);
    return names.every((name) => this.commits.has(name));
  }

  /** Has tasks of a step that is complete done again where files of theirs are gone, and tells whether there are any. */
  async #forgetIncomplete(step: Step): Promise<boolean> {
    let isAny = false;
    const isStage = step.kind === 'stage';
    for (const record of this.commitsOf(isStage ? step.stage.name : step.name)) {
      if (await this.#hasFiles(isStage ? record.artefacts : record.artefacts.filter(isTemporary))) continue;
      this.commits.delete(record.split);
      isAny = true;
    }
    return isAny;
  }

  /** Whether they are there, and as long as they were; their hashes are looked at by `verify`, or whoever reads them. */
  async #hasFiles(artefacts: readonly Artefact[]): Promise<boolean> {
    for (const { path: file, bytes } of artefacts) {
      const found = await stat(this.#options.folder.resolve(file)).catch(() => undefined);
      if (found?.size !== bytes) return false;
    }
    return true;
  }

  /** Removes what was of use between steps only. */
  async dropTemporary(): Promise<void> {
    const { folder } = this.#options;
    const folders = new Set<string>();
    for (const { artefacts } of this.commits.values()) {
      for (const artefact of artefacts) {
        if (!isTemporary(artefact)) continue;
        folder.steps.step('removing a temporary file', artefact.path);
        await rm(folder.resolve(artefact.path), { force: true });
        folders.add(path.posix.dirname(artefact.path));
      }
    }
    for (const name of folders) {
      // others may lie there
      if ((await readdir(folder.resolve(name)).catch(() => ['none'])).length === 0) await rmdir(folder.resolve(name));
    }
  }

  async #pass(step: Pass): Promise<number> {
    const { folder, signal, onEvent } = this.#options;
    const { name, pipeline } = step;
    const plan = { ...this.#options.plan, splits: this.#splitsOf(step) };
    const memory = this.#options.memoryFor(pipeline);
    const left = this.#leftToDo(step);
    if (left > 0 && name !== '') onEvent?.({ type: 'stage', name, tasks: left });
    return runSplits({ pipeline, plan, pass: name, folder, memory, commits: this.commits, signal, onEvent });
  }

  /** Splits that a pass reads: which of them a limit reaches, only reading those before them tells. */
  #splitsOf({ splits }: Pass): readonly Split[] {
    const all = this.splits;
    return splits === undefined || this.#options.plan.limit !== null ? all : splits(all);
  }

  #leftToDo(step: Pass): number {
    const follower = new LimitFollower(this.#options.plan.limit);
    let left = 0;
    for (const { id } of this.#splitsOf(step)) {
      const commit = this.commits.get(commitName(step.name, id));
      if (commit === undefined && follower.left > 0) left++;
      follower.pass(commit);
    }
    return left;
  }

  async #stage(stage: JobStage): Promise<void> {
    const { folder, signal, onEvent } = this.#options;
    signal.throwIfAborted();
    const tasks = await stage.tasks(this);
    const left = tasks.filter((task) => !this.commits.has(commitName(stage.name, task)));
    onEvent?.({ type: 'stage', name: stage.name, tasks: left.length });
    await runTasks({
      stage,
      tasks: left,
      view: this,
      folder,
      atOnce: this.#options.tasksAtOnce(stage, stage.holdsFor?.(this) ?? stage.holds),
      signal,
      done: (record) => {
        this.commits.set(record.split, record);
        onEvent?.({ type: 'task', record });
      },
    });
  }

  async #read(name: string): Promise<void> {
    const record = await readCommit(this.root, name);
    if (record !== undefined) this.commits.set(name, record);
  }
}
