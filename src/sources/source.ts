import type { Observable } from 'rxjs';
import type { RecordError } from '../errors.ts';
import type { JsonValue } from '../json.ts';

/** A deterministic slice of a source: the unit of work, of resume and of distribution. */
export interface Split {
  /** Number in the plan, zero-padded: `00000`. */
  readonly id: string;
  /** Input bytes, exact or estimated: for progress and balance only. */
  readonly bytes: number;
  /** What to read, with the identity (size, mtime or hash) of every file: enough for any machine that sees the files. */
  readonly spec: JsonValue;
}

export interface PlanContext {
  /** Bytes a split aims at. */
  readonly splitBytes: number;
  readonly signal?: AbortSignal | undefined;
  /** Reports an input that is left out: an unreadable file, a truncated one, one without rows. */
  reject(error: RecordError): void;
  /** Says something about the input as a whole that whoever uses the output should know. */
  warn?(message: string): void;
}

/** Splits are fetched from afar before their turn comes. */
export interface Ahead {
  /** Splits at most, and bytes of them. */
  readonly splits: number;
  readonly bytes: number;
  /** Bytes of memory that they take meanwhile. */
  readonly holds: number;
  /** Fetches what reading a split will ask for. It is dropped when `signal` is aborted. */
  fetch(split: Split, signal: AbortSignal): Promise<void>;
}

/** Where documents come from. `options` is what decides its content; it becomes part of the run's digest. */
export interface Source<T> {
  readonly kind: string;
  readonly options: JsonValue;
  /** True of a stream that passes once: a split can be read only once. */
  readonly once?: boolean | undefined;
  /** Absent where everything lies on this machine. */
  readonly ahead?: Ahead | undefined;
  /** Lists the splits in a stable order. Throws SourceError where nothing can be read at all. */
  splits(context: PlanContext): AsyncIterable<Omit<Split, 'id'>>;
  /**
   * Reads one split as a gated flow, in order: a `pull` whose `holds` says how many bytes reading this split takes. A record that cannot be read goes to the run's rejects (`rejectOrThrow`);
   * a file whose identity changed since the plan is a SourceError `INPUT_CHANGED`.
   */
  read(split: Split): Observable<T>;
}
