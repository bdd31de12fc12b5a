/** Where in a source a record lies; `ordinal` counts records within the split, everything else is as exact as the source allows. */
export interface Position {
  readonly ordinal: number;
  /** Offset of the first byte, in the file named by `uri` (in the decompressed stream where it is compressed). */
  readonly byte?: number;
  /** Line, from 1. */
  readonly line?: number;
  /** Row of a table, from 0. */
  readonly row?: number;
  /** Member of an archive. */
  readonly member?: string;
  /** Part, from 0, of a record that was cut because it is larger than a document may be. */
  readonly part?: number;
}

export interface ErrorDetails {
  /** Stable upper-case name, such as `MISSING_COLUMN`: what programs compare and reject files hold. */
  readonly code: string;
  readonly path?: string | undefined;
  readonly position?: Position | undefined;
  /** What the reader can do about it. */
  readonly hint?: string | undefined;
  readonly cause?: unknown;
}

/** Every error of sluice: what went wrong, where, and what to do. */
export class SluiceError extends Error {
  override name = 'SluiceError';
  readonly code: string;
  readonly path: string | undefined;
  readonly position: Position | undefined;
  readonly hint: string | undefined;

  constructor(message: string, details: ErrorDetails) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = details.code;
    this.path = details.path;
    this.position = details.position;
    this.hint = details.hint;
  }
}

/** One record cannot be processed; inside a run it becomes a line in `rejects/` and the run goes on. */
export class RecordError extends SluiceError {
  override name = 'RecordError';
}

/** A source as a whole cannot be read: the path does not exist, no file matches, a column is in no file. */
export class SourceError extends SluiceError {
  override name = 'SourceError';
}

/** A model folder is incomplete, misshapen or of an unknown kind. */
export class ModelError extends SluiceError {
  override name = 'ModelError';
}

/** A pipeline definition, its parameters or an option is wrong. */
export class PipelineError extends SluiceError {
  override name = 'PipelineError';
}

/** The output folder cannot be used: it belongs to another plan, is locked, or the disk refuses. */
export class OutputError extends SluiceError {
  override name = 'OutputError';
}

/** The command line asks for something that does not exist. Exit code 2. */
export class UsageError extends SluiceError {
  override name = 'UsageError';
}

/** A GPU, its driver or a program on it fails, or there is none. */
export class DeviceError extends SluiceError {
  override name = 'DeviceError';
}
