import { definePipeline, RecordError } from 'sluice';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Counter } from '../../src/cli/progress/counter.ts';
import { reporterFor } from '../../src/cli/progress/reporters.ts';
import type { CommitRecord } from '../../src/run/commitRecord.ts';
import { OutputFolder } from '../../src/run/durable.ts';
import { divideMemory } from '../../src/run/memory.ts';
import type { Plan } from '../../src/run/plan.ts';
import type { RunEvent } from '../../src/run/run.ts';
import { SplitRun } from '../../src/run/splitRun.ts';
import type { SplitTally } from '../../src/run/splitTally.ts';
import { planOf } from '../run/output.ts';
import { lines, numbers } from '../support/lines.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const memory = divideMemory({ stages: [], source: 0, sinks: 0, workers: 1, splits: 1 });
const pipeline = definePipeline('counted', numbers([])).to(lines());
const id = (split: number): string => String(split).padStart(5, '0');

/** Splits of 100, 200, 300 and so on input bytes. */
function planned(splits: number, limit: number | null = null, committed: readonly CommitRecord[] = []): RunEvent {
  const plan: Plan = {
    ...planOf(splits),
    limit,
    splits: Array.from({ length: splits }, (_, i) => ({ id: id(i), bytes: 100 * (i + 1), spec: null })),
  };
  return { type: 'planned', plan, memory, committed: new Map(committed.map((record) => [record.split, record])) };
}

function started(split: number, tally: Partial<SplitTally> = {}): { type: 'started'; split: SplitRun } {
  const one = new SplitRun({
    pipeline,
    split: { id: id(split), bytes: 100 * (split + 1), spec: null },
    pass: '',
    folder: new OutputFolder('never-written'),
    memory,
    signal: new AbortController().signal,
  });
  Object.assign(one.tally, tally);
  return { type: 'started', split: one };
}

/** `documents` documents were read, of 10 bytes each. */
function commit(split: number, documents: number, rejects = 0): CommitRecord {
  const good = documents - rejects;
  const counts = { documents_read: documents, documents: good, bytes: 10 * good, patches: 3 * good };
  return { split: id(split), artefacts: [], counts, rejects };
}
const committed = (record: CommitRecord): RunEvent => ({ type: 'committed', record });

function counterOf(...events: RunEvent[]): Counter {
  const counter = new Counter();
  for (const event of events) counter.see(event);
  return counter;
}

function lineOf(counter: Counter): string {
  const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  reporterFor('plain').show(counter.snapshot());
  return String(write.mock.calls[0]?.[0]);
}

describe('Counter', () => {
  it('knows nothing before the plan', () => {
    vi.advanceTimersByTime(10_000);
    expect(new Counter().snapshot()).toMatchObject({ input_bytes: { total: 0, done: 0 }, eta_seconds: null });
  });

  it('adds up committed and running splits, up to the total', () => {
    const counter = counterOf(planned(2), started(0), committed(commit(0, 10)));
    expect(counter.snapshot().input_bytes).toEqual({ total: 300, done: 100, now: 100 });
    // Of 150 bytes that were read, 50 are written.
    counter.see(started(1, { documentsRead: 15, bytesRead: 150, documents: 5, bytes: 50, patches: 9 }));
    expect(counter.snapshot()).toMatchObject({
      splits: { total: 2, committed: 1, earlier: 0, running: 1 },
      input_bytes: { total: 300, done: 150 },
      documents_read: 25,
      documents: 15,
      bytes: 150,
      patches: 39,
    });
    counter.see(committed(commit(1, 20)));
    expect(counter.snapshot()).toMatchObject({
      splits: { total: 2, committed: 2, earlier: 0, running: 0 },
      input_bytes: { total: 300, done: 300 },
      documents_read: 30,
      eta_seconds: 0,
    });
  });

  it('takes the input of earlier runs for done, and measures its speed without it', () => {
    const counter = counterOf(planned(3, null, [commit(0, 10), commit(2, 30)]));
    expect(counter.snapshot()).toMatchObject({
      splits: { total: 3, committed: 0, earlier: 2 },
      input_bytes: { total: 600, done: 400 },
      documents_read: 0,
      documents_read_earlier: 40,
      eta_seconds: null,
    });
    vi.advanceTimersByTime(10_000);
    counter.see(started(1, { documentsRead: 5, bytesRead: 50, bytes: 50 }));
    // 50 bytes in 10 seconds, and 150 of 600 to do.
    expect(counter.snapshot()).toMatchObject({ bytes_per_second: 5, eta_seconds: 30 });
    expect(lineOf(counter)).toMatch(/^75% 2\/3 splits .* ETA 30/);
    counter.see(committed(commit(1, 20)));
    expect(counter.snapshot()).toMatchObject({ input_bytes: { total: 600, done: 600 }, eta_seconds: 0 });
  });

  it('has nothing to do where every split was committed before', () => {
    const counter = counterOf(planned(2, null, [commit(0, 10), commit(1, 20)]));
    expect(counter.snapshot()).toMatchObject({ input_bytes: { total: 300, done: 300 }, eta_seconds: 0 });
  });

  it('counts documents towards a limit, those of earlier runs included', () => {
    const counter = counterOf(planned(4, 40, [commit(0, 10)]));
    vi.advanceTimersByTime(10_000);
    // Few of the documents that were read have come out yet.
    const running = started(1, { documentsRead: 20, bytesRead: 200, documents: 2, bytes: 20 });
    counter.see(running);
    // 20 documents in 10 seconds, and 10 of 40 to read.
    expect(counter.snapshot()).toMatchObject({
      documents_read: 20,
      documents_read_earlier: 10,
      documents_limit: 40,
      eta_seconds: 5,
    });
    // and of what was read, two have been written
    expect(lineOf(counter)).toMatch(/^30% /);
    counter.see(committed(commit(1, 20)));
    counter.see(started(2, { documentsRead: 10, bytesRead: 100 }));
    expect(counter.snapshot().eta_seconds, 'all is read, and not all is written').toBeNull();
    counter.see(committed(commit(2, 10)));
    expect(counter.snapshot()).toMatchObject({ input_bytes: { total: 600, done: 600 }, eta_seconds: 0 });
  });

  it('is at its end where the input ends before the limit', () => {
    const counter = counterOf(planned(2, 1000, [commit(0, 10)]), started(1), committed(commit(1, 20)));
    vi.advanceTimersByTime(10_000);
    expect(counter.snapshot()).toMatchObject({ input_bytes: { total: 300, done: 300 }, eta_seconds: 0 });
  });

  it('counts rejected documents as read, and their input as done once the split is committed', () => {
    const running = started(0, { documentsRead: 4, bytesRead: 40, documents: 3, bytes: 30 });
    const counter = counterOf(planned(2, 30), running);
    const position = { ordinal: 1 };
    running.split.rejects.reject('read', new RecordError('bad', { code: 'BAD', path: 'a', position }));
    expect(counter.snapshot()).toMatchObject({ documents_read: 4, documents: 3, rejects: 1 });
    counter.see(committed(commit(0, 10, 4)));
    expect(counter.snapshot()).toMatchObject({
      input_bytes: { total: 300, done: 100 },
      documents_read: 10,
      documents: 6,
      rejects: 4,
    });
    counter.see(committed(commit(1, 20, 20)));
    expect(counter.snapshot()).toMatchObject({
      input_bytes: { total: 300, done: 300 },
      documents_read: 30,
      rejects: 24,
      eta_seconds: 0,
    });
  });

  it('tells of steps besides the run proper, which count no documents, until that begins', () => {
    const counter = counterOf(planned(2), { type: 'stage', name: 'dedup/sign', tasks: 2 });
    expect(counter.snapshot()).toMatchObject({ step: { name: 'dedup/sign', tasks: 2, done: 0 }, eta_seconds: null });
    counter.see(committed({ ...commit(0, 10), split: 'dedup/sign-00000' }));
    expect(counter.snapshot()).toMatchObject({
      step: { name: 'dedup/sign', tasks: 2, done: 1 },
      documents_read: 0,
      splits: { committed: 0 },
      input_bytes: { done: 0 },
    });
    counter.see({ type: 'stage', name: 'dedup/link', tasks: 1 });
    counter.see({ type: 'task', record: { ...commit(0, 0), split: 'dedup/link-00000' } });
    expect(counter.snapshot().step).toEqual({ name: 'dedup/link', tasks: 1, done: 1 });
    expect(counter.tasks).toBe(2);
    counter.see(started(0));
    expect(counter.snapshot().step).toBeNull();
  });

  it('knows that decoded documents are larger than their files, and takes the others to be like them', () => {
    const cut = { from: 50, to: 5000 };
    const counter = counterOf(
      planned(1),
      started(0, { documentsRead: 2, bytesRead: 100, cut, bytes: 1000, patches: 9 }),
    );
    vi.advanceTimersByTime(10_000);
    // a fifth of one of two pictures in 10 seconds
    expect(counter.snapshot()).toMatchObject({ input_bytes: { done: 10 }, eta_seconds: 90 });
    const rejected = started(0, { documentsRead: 1, bytesRead: 100, cut: { from: 100, to: 0 } });
    expect(counterOf(planned(1), rejected).snapshot()).toMatchObject({ input_bytes: { done: 100 } });
  });

  it('takes documents that were read for done where documents are written: most may have been dropped', () => {
    const counter = counterOf(planned(2), started(0, { documentsRead: 50, bytesRead: 80, documents: 1, bytes: 2 }));
    expect(counter.snapshot()).toMatchObject({ input_bytes: { done: 80 } });
    const patches = { documentsRead: 5, bytesRead: 80, documents: 1, bytes: 20, patches: 4 };
    expect(counterOf(planned(2), started(0, patches)).snapshot()).toMatchObject({ input_bytes: { done: 20 } });
  });
});
