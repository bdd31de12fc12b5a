import type { JsonValue } from '../json.ts';
import type { JobStage } from '../run/jobStage.ts';
import type { Split } from '../sources/source.ts';
import type { ArtefactFile } from './artefact.ts';

export interface SinkContext {
  readonly split: Split;
  /** Opens a file of this split; `path` is relative to the output folder and must contain the split's id. */
  file(path: string): Promise<ArtefactFile>;
}

export interface SinkWriter<T> {
  /** Takes values in order, one at a time. */
  write(value: T): void | Promise<void>;
  /** Writes what is left; every artefact must be published when it resolves. Returns counts for the commit record. */
  finish(): Promise<Record<string, number>>;
  /** Drops everything after an error elsewhere. */
  abort?(): void | Promise<void>;
}

/** Where values go. Its files are a function of the split's values and of `options` alone. */
export interface Sink<T> {
  readonly kind: string;
  readonly options: JsonValue;
  /** Bytes it holds at most while a shard is open, for the memory bound. */
  readonly holds: number;
  open(context: SinkContext): Promise<SinkWriter<T>>;
  /** What is done with its files once every split is committed. */
  readonly after?: readonly JobStage[] | undefined;
}
