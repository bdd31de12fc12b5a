import type { OperatorFunction } from 'rxjs';
import { PipelineError } from '../errors.ts';
import type { Sink } from '../sinks/sink.ts';
import type { Split } from '../sources/source.ts';
import type { Pipeline } from './definition.ts';
import type { JobStage } from './jobStage.ts';

/** A reading of the input before the run proper: the operators before the one that asks for it, and a sink. */
export interface PreparingPass {
  /** `folder/name`. */
  readonly name: string;
  readonly sink: Sink<unknown>;
  /** The splits that are read, in order; all of them under a limit of documents. Default: all. */
  readonly splits?: ((splits: readonly Split[]) => readonly Split[]) | undefined;
}

/** What has to be done before values can pass an operator, or behind the run that they have passed in. */
export interface Preparation {
  /** Refuses an output folder, before anything in it is touched. */
  readonly check?: ((root: string) => void) | undefined;
  readonly pass?: PreparingPass | undefined;
  /** In this order, between that pass and the run proper. */
  readonly before: readonly JobStage[];
  /** Behind the run proper. */
  readonly after: readonly JobStage[];
}

/** What an operator may ask of a run beyond its place in the flow. */
export interface OperatorTraits {
  readonly preparation?: Preparation | undefined;
  /** Lines that `sluice plan` prints about it. */
  readonly notes?: ((facts: PlanFacts) => Promise<readonly string[]>) | undefined;
}

/** A look at what will reach an operator. */
export interface Sample {
  /** Values in all splits, by how many bytes those of the sample have; undefined where the sample is empty. */
  readonly count: number | undefined;
  /** The first values in some splits, spread over all of them. */
  readonly values: readonly unknown[];
}

/** What `sluice plan` can find out for an operator. */
export interface PlanFacts {
  /** Runs what stands before the operator over some of the input; empty for a stream that passes once. */
  sample(): Promise<Sample>;
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
  | {
      readonly kind: 'pass';
      readonly name: string;
      readonly pipeline: Pipeline;
      /** See {@link PreparingPass}. */
      readonly splits?: PreparingPass['splits'];
    }
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
    const { pass } = preparation;
    if (pass !== undefined) {
      const upTo = { ...pipeline, operators: pipeline.operators.slice(0, i), sinks: [pass.sink] };
      before.push({ kind: 'pass', name: pass.name, pipeline: upTo, splits: pass.splits });
    }
    before.push(...stages(preparation.before));
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
    hint: 'give each operator and sink a folder and file names of its own: dedup({ corpus: { index } }), quantize({ dir }), jsonl(dir, { into })',
  });
}
