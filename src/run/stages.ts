import type { OperatorFunction } from 'rxjs';
import { PipelineError } from '../errors.ts';
import type { Artefact, ArtefactFile, Sink } from '../sinks/sink.ts';
import type { Split } from '../sources/source.ts';
import type { CommitRecord } from './commitRecord.ts';
import type { Pipeline } from './definition.ts';

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
  /** Other files it writes, relative to the output folder. */
  readonly files?: readonly string[] | undefined;
  /** Its tasks in order, each letters and digits; asked once all before it is committed. */
  tasks(job: JobView): Promise<readonly string[]>;
  /** Publishes every file it opens. Returns counts for the commit record. */
  run(context: TaskContext): Promise<Record<string, number>>;
}

/** What has to be done before values can pass an operator: its input is read once before the run proper. */
export interface Preparation {
  /** `folder/name` of a pass over the splits: the operators before this one, and this sink. */
  readonly pass: string;
  readonly sink: Sink<unknown>;
  /** In this order, between that pass and the run proper. */
  readonly before: readonly JobStage[];
  /** Files made by the pass and stages that are of use to later runs are kept; others may be `temporary` in their info. */
  readonly after: readonly JobStage[];
}

/** What an operator may ask of a run beyond its place in the flow. */
export interface OperatorTraits {
  readonly preparation?: Preparation | undefined;
  /** Lines that `sluice plan` prints about it. */
  readonly notes?: ((facts: PlanFacts) => Promise<readonly string[]>) | undefined;
}

/** What `sluice plan` knows of the values that reach an operator. */
export interface PlanFacts {
  /** Values in all splits, by how many bytes those of the sample have; undefined where the sample is empty. */
  readonly values: number | undefined;
  /** The first values in some splits, spread over all of them. */
  readonly sample: readonly unknown[];
}

const TRAITS = Symbol.for('sluice.operator.v1');

/** Gives an operator traits, which it shows while it stands in `.pipe` of a pipeline by itself. */
export function withTraits<A, B>(operator: OperatorFunction<A, B>, traits: OperatorTraits): OperatorFunction<A, B> {
  return Object.assign(operator, { [TRAITS]: traits });
}

export function traitsOf(operator: unknown): OperatorTraits {
  return (operator as { [TRAITS]?: OperatorTraits })[TRAITS] ?? {};
}

/** A pass or a stage of a pipeline, in the order in which they run. */
export type Step =
  | { readonly kind: 'pass'; readonly name: string; readonly pipeline: Pipeline }
  | { readonly kind: 'stage'; readonly stage: JobStage };

/**
 * Everything a run of this pipeline does; the run proper is the pass named `''`.
 * @throws PipelineError `SAME_STEP` where two would write the same files
 */
export function stepsOf(pipeline: Pipeline): Step[] {
  const before: Step[] = [];
  const after: Step[] = [];
  const stages = (list: readonly JobStage[]): Step[] => list.map((stage) => ({ kind: 'stage', stage }));
  for (const [i, operator] of pipeline.operators.entries()) {
    const { preparation } = traitsOf(operator);
    if (preparation === undefined) continue;
    const upTo = { ...pipeline, operators: pipeline.operators.slice(0, i), sinks: [preparation.sink] };
    before.push({ kind: 'pass', name: preparation.pass, pipeline: upTo }, ...stages(preparation.before));
    after.push(...stages(preparation.after));
  }
  for (const sink of pipeline.sinks) after.push(...stages(sink.after ?? []));
  const steps: Step[] = [...before, { kind: 'pass', name: '', pipeline }, ...after];
  requireDifferent(steps);
  return steps;
}

function requireDifferent(steps: readonly Step[]): void {
  const names = steps.flatMap((step) =>
    step.kind === 'pass' ? step.name : [step.stage.name, ...(step.stage.files ?? [])],
  );
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice === undefined) return;
  throw new PipelineError(`two steps of the pipeline write '${twice}'`, {
    code: 'SAME_STEP',
    path: twice,
    hint: 'give each operator and sink a folder and file names of its own: dedup({ corpus: { index } }), jsonl(dir, { into })',
  });
}

/** Name of a commit: that of the split in the run proper, else with the pass or stage before it. */
export function commitName(stage: string, task: string): string {
  return stage === '' ? task : `${stage}-${task}`;
}

/** Whether a file may go once the run is complete. */
export function isTemporary({ info }: Artefact): boolean {
  return info['temporary'] === true;
}
