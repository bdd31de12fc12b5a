import { take, tap } from 'rxjs';
import { PipelineError } from '../errors.ts';
import type { Inlet, Limit } from '../flow/index.ts';
import { type FlowMonitor, monitored, type StageInfo } from '../flow/monitor.ts';
import type { Artefact, ArtefactFile } from '../sinks/artefact.ts';
import type { SinkContext, SinkWriter } from '../sinks/sink.ts';
import type { Split } from '../sources/source.ts';
import { type CommitRecord, commitPath } from './commitRecord.ts';
import { type RunContext, withRun } from './context.ts';
import { flowOf, type Pipeline } from './definition.ts';
import { asDiskError, type OutputFolder, type TemporaryFile } from './durable.ts';
import { commitName } from './jobStage.ts';
import type { MemoryPlan } from './memory.ts';
import { Rejects, requireRate } from './rejects.ts';
import { countsOf, emptyTally, type SplitTally } from './splitTally.ts';
import { isPatches, writeStage } from './writeStage.ts';

/** A stage of a split in hand, for progress and for explaining a stall. */
export interface LiveStage {
  readonly name: string;
  readonly room: Limit;
  inlet?: Inlet;
}

export interface SplitJob {
  readonly pipeline: Pipeline;
  readonly split: Split;
  /** The pass over the splits that this belongs to; `''` for the run proper, whose stages alone write files and rejects. */
  readonly pass: string;
  readonly folder: OutputFolder;
  readonly memory: Pick<MemoryPlan, 'rooms' | 'processes'>;
  /** Documents to read at most. */
  readonly limit?: number | undefined;
  /** Counts of the commit that are known beforehand. */
  readonly counts?: Readonly<Record<string, number>> | undefined;
  readonly signal: AbortSignal;
}

const MANY_STAGES = 64;
/** Folders of the run itself. */
const RESERVED = new Set(['commits', 'rejects']);

/**
 * One split from its source to its commit: reads, runs the flow, writes every sink, and publishes `commits/<split>.json`,
 * the only commit point. Nothing it does depends on time or on other splits.
 */
export class SplitRun {
  readonly split: Split;
  /** See {@link SplitJob}. */
  readonly pass: string;
  readonly rejects: Rejects;
  stages: LiveStage[] = [];
  readonly tally: SplitTally = emptyTally();
  readonly #job: SplitJob;
  readonly #artefacts: Artefact[] = [];
  readonly #files: TemporaryFile[] = [];
  readonly #paths = new Set<string>();
  readonly #closing: (() => Promise<Record<string, number>>)[] = [];
  #registered = 0;
  #writing: Promise<unknown> = Promise.resolve();

  constructor(job: SplitJob) {
    this.#job = job;
    this.split = job.split;
    this.pass = job.pass;
    this.rejects = new Rejects(job.pipeline.options.onError === 'fail');
  }

  async run(): Promise<CommitRecord> {
    const { pipeline, split, folder } = this.#job;
    const context: SinkContext = { split, file: (path) => this.#file(path) };
    const writers: SinkWriter<unknown>[] = [];
    try {
      for (const sink of pipeline.sinks) writers.push(await sink.open(context));
      await this.#flow(writers);
      const counts: Record<string, number> = { ...countsOf(this.tally), ...this.#job.counts };
      for (const close of this.#closing) Object.assign(counts, await disk(folder, close));
      for (const writer of writers) Object.assign(counts, await disk(folder, () => writer.finish()));
      requireRate({
        most: pipeline.options.maxRejectRate,
        rejects: this.rejects.count,
        records: this.tally.records,
        where: `split ${split.id}`,
        kinds: this.rejects.kinds,
        listed: false,
      });
      return await disk(folder, () => this.#commit(counts));
    } catch (error) {
      // What a sink has begun must have ended before its files are taken away and the folder is given back.
      await Promise.allSettled([this.#writing]);
      await Promise.allSettled(writers.map(async (writer) => writer.abort?.()));
      await Promise.allSettled(this.#files.map((file) => file.discard()));
      throw error;
    }
  }

  async #flow(writers: readonly SinkWriter<unknown>[]): Promise<void> {
    const { pipeline, split, folder, limit, signal } = this.#job;
    signal.throwIfAborted();
    const write = async (value: unknown): Promise<void> => {
      this.#writing = everyOne(writers.map(async (writer) => writer.write(value)));
      await disk(folder, () => this.#writing);
      this.#countOut(value);
    };
    const source = pipeline.source.read(split).pipe(
      limit === undefined ? tap() : take(limit),
      tap((value) => this.#countIn(value)),
    );
    const flow = flowOf(pipeline, source).pipe(writeStage(write));
    await new Promise<void>((resolve, reject) => {
      const stop = (): void => {
        subscription.unsubscribe();
        reject(signal.reason);
      };
      const subscription = withRun(this.#context(), () =>
        monitored(this.#monitor(), () => flow.subscribe({ error: reject, complete: resolve })),
      );
      signal.addEventListener('abort', stop, { once: true });
      subscription.add(() => signal.removeEventListener('abort', stop));
    });
    signal.throwIfAborted();
  }

  #context(): RunContext {
    const { pipeline, split, folder, pass, memory } = this.#job;
    return {
      processes: memory.processes,
      model: pipeline.model,
      media: pipeline.media,
      rehearsal: pass !== '',
      output: {
        split,
        root: folder.root,
        file: async (path) => (pass === '' ? this.#file(path) : nowhere(path)),
        beforeCommit: (work) => this.#closing.push(work),
      },
      cut: (from, to) => {
        this.tally.cut.from += from;
        this.tally.cut.to += to;
      },
      reject: (stage, error, payload) => {
        this.tally.records = Math.max(this.tally.records, (error.position?.ordinal ?? -1) + 1);
        this.rejects.reject(stage, error, payload);
      },
    };
  }

  #monitor(): FlowMonitor {
    const { rooms } = this.#job.memory;
    return {
      strict: true,
      stage: (info: StageInfo) => {
        const granted = rooms[this.#registered++];
        const room = granted?.stage === info.name ? granted.room : info.room;
        const live: LiveStage = { name: info.name, room };
        // Flows inside a flow come and go: those that have ended need no room in progress.
        if (this.stages.length >= MANY_STAGES)
          this.stages = this.stages.filter((stage) => stage.inlet?.closed !== true);
        this.stages.push(live);
        return {
          room,
          watch: (inlet: Inlet) => {
            live.inlet = inlet;
          },
        };
      },
    };
  }

  async #file(path: string): Promise<ArtefactFile> {
    this.#claim(path);
    const file = await this.#job.folder.file(path);
    this.#files.push(file);
    return {
      temporary: file.temporary,
      write: (chunk: Uint8Array) => file.write(chunk),
      publish: async (info: Artefact['info']) => {
        const artefact = await file.publish(info);
        this.#artefacts.push(artefact);
        return artefact;
      },
    };
  }

  /** A sink names files of this split in a folder of its own; two sinks must not share one. */
  #claim(file: string): void {
    const { split, pass } = this.#job;
    const [folder = '', ...rest] = file.split('/');
    const name = rest.at(-1) ?? '';
    const proper =
      /^[\w-]+$/.test(folder) &&
      rest.every((part) => /^[\w-][\w.-]*$/.test(part)) &&
      (pass === '' ? name.startsWith(split.id) : file.startsWith(`${commitName(pass, split.id)}.`));
    if (proper && !RESERVED.has(folder) && !this.#paths.has(file)) {
      this.#paths.add(file);
      return;
    }
    throw new PipelineError(`two sinks write '${file}', or it is no name for a file of split ${split.id}`, {
      code: 'BAD_FILE',
      path: file,
      hint: `give every sink a folder or a file name of its own; names are folder/${split.id}...`,
    });
  }

  async #commit(counts: Record<string, number>): Promise<CommitRecord> {
    const { split, pass, folder } = this.#job;
    const id = commitName(pass, split.id);
    // another pass over the same documents rejects the same, and that of the run proper tells of them
    if (this.rejects.count > 0 && pass === '') {
      const info = { format: 'sluice_rejects_v1', rejects: this.rejects.count };
      this.#artefacts.push(await folder.publish(`rejects/${split.id}.jsonl`, this.rejects.text(), info));
    }
    const artefacts = this.#artefacts.sort((a, b) => (a.path < b.path ? -1 : 1));
    const record: CommitRecord = { split: id, artefacts, counts, rejects: this.rejects.count };
    await folder.publish(commitPath(id), `${JSON.stringify(record, undefined, 1)}\n`);
    return record;
  }

  #countIn(value: unknown): void {
    const ordinal = (value as { source?: { position?: { ordinal?: number } } } | null)?.source?.position?.ordinal;
    this.tally.documentsRead++;
    this.tally.records = Math.max(this.tally.records, ordinal === undefined ? this.tally.documentsRead : ordinal + 1);
    this.tally.bytesRead += (value as { bytes?: Uint8Array }).bytes?.length ?? 0;
  }

  #countOut(value: unknown): void {
    const { tally } = this;
    if (!isPatches(value)) {
      tally.documents++;
      tally.bytes += (value as { bytes?: Uint8Array } | null)?.bytes?.length ?? 0;
      return;
    }
    tally.bytes += value.bytes.length;
    tally.patches += value.lengths.length;
    let entropy = 0;
    for (const nats of value.entropies) entropy += nats;
    tally.entropy += entropy;
    const { modality } = value.segment;
    const own = tally.modalities.get(modality) ?? { segments: 0, bytes: 0, patches: 0 };
    tally.modalities.set(modality, own);
    own.bytes += value.bytes.length;
    own.patches += value.lengths.length;
    if (!value.last) return;
    own.segments++;
    tally.segments++;
    if (value.segment.last) tally.documents++;
  }
}

/** A file of a pass that only prepares: its stages write theirs in the run proper. */
function nowhere(path: string): ArtefactFile {
  return {
    temporary: '',
    write: async () => {},
    publish: async (info) => ({ path, bytes: 0, sha256: '', info }),
  };
}

async function disk<T>(folder: OutputFolder, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw asDiskError(error, folder.root);
  }
}

/** Waits for all of them, then fails as the first that failed. */
async function everyOne(work: readonly Promise<unknown>[]): Promise<void> {
  for (const outcome of await Promise.allSettled(work)) if (outcome.status === 'rejected') throw outcome.reason;
}
