import type { Observable, OperatorFunction } from 'rxjs';
import type { z } from 'zod';
import { PipelineError } from '../errors.ts';
import type { JsonValue } from '../json.ts';
import { requireOptions } from '../knownOptions.ts';
import type { ModelSettings } from '../model/openOptions.ts';
import type { Sink } from '../sinks/sink.ts';
import type { Source } from '../sources/source.ts';
import type { MediaSettings } from './context.ts';

const PIPELINE = Symbol.for('sluice.pipeline.v1');

export interface PipelineOptions {
  /** Bytes of input a split aims at. Smaller: less is repeated after a crash; larger: fewer files. Default 8 MiB. */
  readonly splitBytes?: number;
  /** Share of documents that may be rejected before the run stops with exit code 4. Default 0.5, counted from 100 documents on. */
  readonly maxRejectRate?: number;
  /** `skip` writes a failed record to the reject file and goes on; `fail` stops at the first. Default `skip`. */
  readonly onError?: 'skip' | 'fail';
  /** Seed of everything random in the run. Default 0. */
  readonly seed?: number;
}

/** A pipeline is inert: it says where values come from, what happens to them, and where they go. */
export interface Pipeline {
  readonly [PIPELINE]: true;
  readonly name: string;
  readonly source: Source<unknown>;
  readonly operators: readonly OperatorFunction<unknown, unknown>[];
  readonly sinks: readonly Sink<unknown>[];
  readonly options: PipelineOptions;
  /** Values of the parameters it was built from. */
  readonly parameters?: JsonValue;
  /** What the run says about models. */
  readonly model?: ModelSettings | undefined;
  /** What the run says about sound and video. */
  readonly media?: MediaSettings | undefined;
}

/** A pipeline that still waits for its parameters; each becomes a flag of `sluice run`. */
export interface PipelineTemplate<P extends z.ZodObject = z.ZodObject> {
  readonly [PIPELINE]: true;
  readonly name: string;
  readonly parameters: P;
  build(values: z.output<P>): Pipeline;
}

/** A pipeline under construction: `.pipe` adds operators as `Observable.pipe` does, `.to` names the sinks and ends it. */
export interface Stream<T> {
  pipe<A>(a: OperatorFunction<T, A>): Stream<A>;
  pipe<A, B>(a: OperatorFunction<T, A>, b: OperatorFunction<A, B>): Stream<B>;
  pipe<A, B, C>(a: OperatorFunction<T, A>, b: OperatorFunction<A, B>, c: OperatorFunction<B, C>): Stream<C>;
  pipe<A, B, C, D>(
    a: OperatorFunction<T, A>,
    b: OperatorFunction<A, B>,
    c: OperatorFunction<B, C>,
    d: OperatorFunction<C, D>,
  ): Stream<D>;
  pipe<A, B, C, D, E>(
    a: OperatorFunction<T, A>,
    b: OperatorFunction<A, B>,
    c: OperatorFunction<B, C>,
    d: OperatorFunction<C, D>,
    e: OperatorFunction<D, E>,
  ): Stream<E>;
  pipe<A, B, C, D, E, F>(
    a: OperatorFunction<T, A>,
    b: OperatorFunction<A, B>,
    c: OperatorFunction<B, C>,
    d: OperatorFunction<C, D>,
    e: OperatorFunction<D, E>,
    f: OperatorFunction<E, F>,
  ): Stream<F>;
  to(...sinks: readonly [Sink<T>, ...Sink<T>[]]): Pipeline;
}

type Erased = OperatorFunction<unknown, unknown>;

class Chain {
  readonly #make: (operators: readonly Erased[], sinks: readonly Sink<unknown>[]) => Pipeline;
  readonly #operators: readonly Erased[];

  constructor(
    make: (operators: readonly Erased[], sinks: readonly Sink<unknown>[]) => Pipeline,
    operators: readonly Erased[],
  ) {
    this.#make = make;
    this.#operators = operators;
  }

  pipe(...operators: readonly Erased[]): Chain {
    return new Chain(this.#make, [...this.#operators, ...operators]);
  }

  to(...sinks: readonly Sink<unknown>[]): Pipeline {
    if (sinks.length === 0) {
      throw new PipelineError('a pipeline needs at least one sink', {
        code: 'NO_SINK',
        hint: 'end it with .to(safetensors())',
      });
    }
    return this.#make(this.#operators, sinks);
  }
}

/**
 * Defines a pipeline: a source, then `.pipe(...)` operators, then `.to(...)` sinks; every type is inferred from the one before.
 *
 * With a zod object in place of the source, the pipeline takes parameters, and the third argument builds it from them:
 *
 *     export default definePipeline('ingest', z.object({ input: z.string() }), ({ input }) =>
 *       definePipeline('ingest', files(input)).pipe(pretokenize(), embed(), patch()).to(safetensors()),
 *     );
 *
 * @throws PipelineError `BAD_NAME` when the name is not made of letters, digits, `-` and `_`; `UNKNOWN_OPTION`.
 */
export function definePipeline<T>(name: string, source: Source<T>, options?: PipelineOptions): Stream<T>;
export function definePipeline<P extends z.ZodObject>(
  name: string,
  parameters: P,
  build: (values: z.output<P>) => Pipeline,
): PipelineTemplate<P>;
export function definePipeline(
  name: string,
  first: Source<unknown> | z.ZodObject,
  second: PipelineOptions | ((values: Record<string, unknown>) => Pipeline) = {},
): unknown {
  if (!/^[\w-]+$/.test(name)) {
    throw new PipelineError(`'${name}' is no name for a pipeline`, {
      code: 'BAD_NAME',
      hint: 'use letters, digits, - and _',
    });
  }
  if (typeof second === 'function') {
    const build = (values: Record<string, unknown>): Pipeline => ({ ...second(values), parameters: plain(values) });
    return { [PIPELINE]: true, name, parameters: first, build };
  }
  requireOptions('definePipeline', second, { splitBytes: true, maxRejectRate: true, onError: true, seed: true });
  const source = first as Source<unknown>;
  return new Chain((operators, sinks) => ({ [PIPELINE]: true, name, source, operators, sinks, options: second }), []);
}

/** Values as JSON can hold them. */
function plain(values: Record<string, unknown>): JsonValue {
  return JSON.parse(JSON.stringify(values, (_, value) => (typeof value === 'bigint' ? String(value) : value)));
}

/** Recognises a definition whichever copy of the package made it. */
export function isDefinition(value: unknown): value is Pipeline | PipelineTemplate {
  return typeof value === 'object' && value !== null && PIPELINE in value;
}

export function isTemplate(value: Pipeline | PipelineTemplate): value is PipelineTemplate {
  return 'build' in value;
}

/** The flow of a pipeline over one observable of its source's values. */
export function flowOf(pipeline: Pipeline, values: Observable<unknown>): Observable<unknown> {
  return pipeline.operators.reduce((flow, operator) => flow.pipe(operator), values);
}
