export * from './errors.ts';
export { FlowControlError } from './flow/index.ts';
export type { JsonValue } from './json.ts';
export type * from './records.ts';
export {
  definePipeline,
  type Pipeline,
  type PipelineOptions,
  type PipelineTemplate,
  type Stream,
} from './run/definition.ts';
export { exitCode } from './run/exitCodes.ts';
export { RejectLimitError } from './run/rejects.ts';
export { type RunEvent, type RunOptions, type RunSummary, run } from './run/run.ts';
export { version } from './run/version.ts';
export type { Artefact, ArtefactFile } from './sinks/artefact.ts';
export type { Sink, SinkContext, SinkWriter } from './sinks/sink.ts';
export type { PlanContext, Source, Split } from './sources/source.ts';
