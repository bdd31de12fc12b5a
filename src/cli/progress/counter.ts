import type { RunEvent } from '../../run/run.ts';
import type { SplitRun } from '../../run/splitRun.ts';
import type { SplitTally } from '../../run/splitTally.ts';

/** What is done before or behind the run proper. */
export interface StageSnapshot {
  readonly name: string;
  /** Tasks, or splits of a pass, that this run has to do and has done. */
  readonly tasks: number;
  readonly done: number;
}

/** A moment of a run; every count is of documents or bytes that this run has dealt with, earlier runs apart. */
export interface Snapshot {
  readonly seconds: number;
  readonly splits: {
    readonly total: number;
    readonly committed: number;
    readonly earlier: number;
    readonly running: number;
  };
  /**
   * Input bytes planned, those of splits committed now and earlier plus what running splits have read and written, and
   * of these, those of this run.
   * Once a document limit is reached, splits behind it are no longer part of the total.
   */
  readonly input_bytes: { readonly total: number; readonly done: number; readonly now: number };
  readonly documents_read: number;
  /** Documents that splits committed by earlier runs have read; they count towards the limit. */
  readonly documents_read_earlier: number;
  /** Documents to read at most; null for all. */
  readonly documents_limit: number | null;
  readonly documents: number;
  readonly bytes: number;
  readonly patches: number;
  readonly rejects: number;
  readonly bytes_per_second: number;
  /** 0 once nothing is left to do, null while it cannot be told. */
  readonly eta_seconds: number | null;
  /** A pass over the splits besides the run proper, or a stage, while one goes on; else null. */
  readonly step: StageSnapshot | null;
  readonly stages: readonly {
    readonly split: string;
    readonly stage: string;
    readonly items: number;
    readonly room_items: number | null;
    readonly bytes: number;
    readonly room_bytes: number | null;
  }[];
}

/** Adds up the events of a run. */
export class Counter {
  readonly running = new Map<string, SplitRun>();
  readonly #begun = performance.now();
  readonly #done = { documents_read: 0, documents: 0, bytes: 0, patches: 0, rejects: 0 };
  #sizes = new Map<string, number>();
  #total = 0;
  #limit: number | null = null;
  #planned = false;
  #earlierBytes = 0;
  #earlierRead = 0;
  #committedBytes = 0;
  #splits = { total: 0, committed: 0, earlier: 0 };
  #step: { name: string; tasks: number; done: number } | null = null;
  /** Tasks of stages that were done now. */
  tasks = 0;

  see(event: RunEvent): void {
    if (event.type === 'planned') {
      this.#planned = true;
      this.#limit = event.plan.limit;
      this.#sizes = new Map(event.plan.splits.map((split) => [split.id, split.bytes]));
      for (const [id, size] of this.#sizes) {
        this.#total += size;
        const earlier = event.committed.get(id);
        if (earlier === undefined) continue;
        this.#earlierBytes += size;
        this.#earlierRead += earlier.counts['documents_read'] ?? 0;
      }
      this.#splits = { total: event.plan.splits.length, committed: 0, earlier: event.committed.size };
      this.#done.rejects = event.plan.left_out;
    } else if (event.type === 'stage') {
      this.#step = { name: event.name, tasks: event.tasks, done: 0 };
    } else if (event.type === 'started') {
      if (event.split.pass === '') this.#step = null;
      this.running.set(event.split.split.id, event.split);
    } else if (event.type === 'task' || (event.type === 'committed' && event.record.split.includes('/'))) {
      // a split of a pass is named with the pass before it
      this.running.delete(event.record.split.slice(event.record.split.lastIndexOf('-') + 1));
      this.tasks++;
      if (this.#step !== null) this.#step.done++;
    } else if (event.type === 'committed') {
      const { record } = event;
      this.running.delete(record.split);
      this.#splits.committed++;
      this.#committedBytes += this.#sizes.get(record.split) ?? 0;
      this.#done.rejects += record.rejects;
      for (const name of ['documents_read', 'documents', 'bytes', 'patches'] as const) {
        this.#done[name] += record.counts[name] ?? 0;
      }
    }
  }

  snapshot(): Snapshot {
    const seconds = (performance.now() - this.#begun) / 1000;
    const sum = { ...this.#done };
    let read = 0;
    for (const { tally, rejects, split, pass } of this.running.values()) {
      if (pass !== '') continue;
      sum.documents_read += tally.documentsRead;
      sum.documents += tally.documents;
      sum.bytes += tally.bytes;
      sum.patches += tally.patches;
      sum.rejects += rejects.count;
      read += Math.min(split.bytes, tally.bytesRead) * shareDone(tally);
    }
    const now = this.#committedBytes + read;
    const done = this.#earlierBytes + now;
    const documentsLeft = (this.#limit ?? Number.POSITIVE_INFINITY) - this.#earlierRead - sum.documents_read;
    const total = documentsLeft <= 0 && this.running.size === 0 ? done : this.#total;
    // Under a limit nobody knows the bytes to come; the documents to come are known.
    const [toDo, soFar] = this.#limit === null ? [total - done, now] : [documentsLeft, sum.documents_read];
    const eta = this.#eta(done < total ? toDo : 0, soFar, seconds);
    const rate = seconds > 0 ? sum.bytes / seconds : 0;
    return {
      seconds: round(seconds),
      splits: { ...this.#splits, running: this.running.size },
      input_bytes: { total, done, now },
      ...sum,
      documents_read_earlier: this.#earlierRead,
      documents_limit: this.#limit,
      bytes_per_second: round(rate),
      eta_seconds: this.#step === null ? eta : null,
      step: this.#step === null ? null : { ...this.#step },
      stages: [...this.running.values()].flatMap((one) =>
        [...one.stages].reverse().map(({ name, inlet, room }) => ({
          split: one.split.id,
          stage: name,
          items: inlet?.items ?? 0,
          room_items: room.items ?? null,
          bytes: inlet?.bytes ?? 0,
          room_bytes: room.bytes ?? null,
        })),
      ),
    };
  }

  #eta(toDo: number, soFar: number, seconds: number): number | null {
    if (!this.#planned) return null;
    // What has been read and is not written yet takes a time that reading does not tell.
    if (toDo <= 0) return this.running.size === 0 ? 0 : null;
    // The first seconds go into loading models and filling queues.
    return soFar > 0 && seconds > 3 ? round((toDo * seconds) / soFar) : null;
  }
}

/**
 * What has been read is done only as far as it has been written; where documents are written, some are dropped for good. A
 * picture is a hundred times its file: what has not been cut yet is taken to grow as what has.
 */
function shareDone({ bytes, bytesRead, cut, documents, patches }: SplitTally): number {
  if (bytesRead === 0) return 0;
  const toCome = cut.from === 0 ? bytesRead : (cut.to * bytesRead) / cut.from;
  return toCome === 0 || (documents > 0 && patches === 0) ? 1 : Math.min(1, bytes / toCome);
}

const round = (value: number): number => Math.round(value * 1000) / 1000;
