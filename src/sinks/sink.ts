import type { JsonValue } from '../json.ts';
import type { JobStage } from '../run/stages.ts';
import type { Split } from '../sources/source.ts';

/** A finished file of the output, as commits and the manifest list it. */
export interface Artefact {
  /** Relative to the output folder, with `/`. */
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
  /** Format and counts that `sluice verify` and readers need, such as `{format: 'blt_patches_v3', patches: 10}`. */
  readonly info: { readonly [key: string]: JsonValue };
}

/** A file being written under a temporary name; `publish` alone gives it its own. */
export interface ArtefactFile {
  /** Absolute temporary path, for writers that open files themselves (SQLite, a worker). */
  readonly temporary: string;
  write(chunk: Uint8Array): Promise<void>;
  /** Hash, fsync, rename, fsync of the folder. */
  publish(info: Artefact['info']): Promise<Artefact>;
}

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
