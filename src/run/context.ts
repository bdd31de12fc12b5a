import type { RecordError } from '../errors.ts';
import { carriedSlot } from '../flow/carry.ts';
import type { ModelSettings } from '../model/openOptions.ts';
import type { ArtefactFile } from '../sinks/artefact.ts';
import type { Split } from '../sources/source.ts';

/** The split in hand and its place in the output: for stages that write files of their own. */
export interface SplitOutput {
  readonly split: Split;
  /** Absolute path of the output folder. */
  readonly root: string;
  /** Opens a file of this split, `folder/<split>...`, as a sink does; see `SinkContext`. */
  file(path: string): Promise<ArtefactFile>;
  /**
   * Has something done when every value of the split has gone to the sinks, before its commit: files are published there.
   * What it returns is added to the commit's counts. Not called when the split fails; its files are removed then.
   */
  beforeCommit(work: () => Promise<Record<string, number>>): void;
}

/** What a run says about sound and video. */
export interface MediaSettings {
  /** Path of the ffmpeg program. Default: `ffmpeg`, wherever the PATH has it. */
  readonly ffmpegPath?: string | undefined;
  /** `false` passes sound and video as the bytes they are: no decoder sees them. Default: true. */
  readonly audioVideo?: boolean | undefined;
}

/** What a stage may ask of the run that it works in. */
export interface RunContext {
  /** Goes before what a stage was told itself. */
  readonly model?: ModelSettings | undefined;
  readonly media?: MediaSettings | undefined;
  /** Processes that a stage may start at most. */
  readonly processes?: number | undefined;
  /** Values are looked at beforehand, for a plan or in a pass of preparation: nobody outside is told of what becomes of them. */
  readonly rehearsal?: boolean | undefined;
  /** Absent where stages are only listed, and for a plan. */
  readonly output?: SplitOutput | undefined;
  /** Tells that `from` bytes of a document have become `to` bytes of segments, so that progress knows what is to come. */
  cut?(from: number, to: number): void;
  /** Puts a record that failed into the split's reject file. */
  reject(stage: string, error: RecordError, payload?: Uint8Array): void;
}

const slot: { context: RunContext | undefined } = carriedSlot('sluice.run.v1', { context: undefined });

/** The run that subscribes the flow right now, if any. Read it inside a subscribe function, keep the result. */
export function currentRun(): RunContext | undefined {
  return slot.context;
}

/** Runs `subscribe` so that stages subscribed meanwhile belong to `context`. */
export function withRun<T>(context: RunContext, subscribe: () => T): T {
  const outer = slot.context;
  slot.context = context;
  try {
    return subscribe();
  } finally {
    slot.context = outer;
  }
}

/** Hands a failed record to the run, or throws it where the operator runs in a flow of somebody else's. */
export function rejectOrThrow(
  run: RunContext | undefined,
  stage: string,
  error: RecordError,
  payload?: Uint8Array,
): void {
  if (run === undefined) throw error;
  run.reject(stage, error, payload);
}
