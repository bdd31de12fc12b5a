import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { filter, map } from 'rxjs';
import { type Document, definePipeline, type Pipeline, RecordError, type RunEvent, run, type Sink } from 'sluice';
import { mapAsync } from 'sluice/flow';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { currentRun, rejectOrThrow } from '../../src/run/context.ts';
import { lockOutput } from '../../src/run/outputLock.ts';
import { lines, numbers } from '../support/lines.ts';
import { hashTree } from '../support/tree.ts';

let output: string;
beforeEach(async () => {
  output = path.join(await mkdtemp(path.join(tmpdir(), 'sluice-run-')), 'out');
});
afterEach(() => rm(path.dirname(output), { recursive: true, force: true }));

const read = (file: string): Promise<string> => readFile(path.join(output, file), 'utf8');
const asJson = async (file: string) => JSON.parse(await read(file));
const plain = (sizes: readonly number[], options = {}): Pipeline =>
  definePipeline('plain', numbers(sizes), options)
    .pipe(map((d) => d))
    .to(lines());

/** Rejects every document whose number is divisible by `n`. */
function rejectEvery(n: number) {
  return (source: import('rxjs').Observable<Document>) => {
    const context = currentRun();
    return source.pipe(
      mapAsync((document: Document) => document, { name: 'pass', room: { items: 4 } }),
      filter((document) => {
        const { uri, position } = document.source;
        if (position.ordinal % n !== 0) return true;
        rejectOrThrow(
          context,
          'every',
          new RecordError('divisible', { code: 'DIVISIBLE', path: uri, position }),
          document.bytes,
        );
        return false;
      }),
    );
  };
}
function rejecting(sizes: readonly number[], n: number, options = {}): Pipeline {
  const inFlow = (source: import('rxjs').Observable<Document>) =>
    new (source.constructor as typeof import('rxjs').Observable)<Document>((out) =>
      rejectEvery(n)(source).subscribe(out),
    );
  return definePipeline('rejecting', numbers(sizes), options).pipe(inFlow).to(lines());
}

describe('run', () => {
  it('writes one commit per split, then the manifest, and leaves nothing temporary', async () => {
    const summary = await run(plain([3, 0, 2]), { output });
    expect(summary).toMatchObject({ splits: 3, ran: 3, rejects: 0, counts: { documents_read: 5, lines: 5 } });
    expect((await readdir(output, { recursive: true })).sort()).toEqual([
      'commits',
      'commits/00000.json',
      'commits/00001.json',
      'commits/00002.json',
      'lines',
      'lines/00000.txt',
      'lines/00002.txt',
      'manifest.json',
      'plan.json',
    ]);
    expect(await read('lines/00002.txt')).toBe('00002:0\n00002:1\n');
    expect((await asJson('commits/00002.json')).artefacts).toMatchObject([{ path: 'lines/00002.txt', bytes: 16 }]);
    expect((await asJson('manifest.json')).totals).toMatchObject({ documents_read: 5, lines: 5, rejects: 0 });
  });

  it('resumes after an error: committed splits are not run again', async () => {
    let broken = true;
    const fails = definePipeline('fails', numbers([2, 2, 2]))
      .pipe(map((d) => d))
      .to(
        lines((value) => {
          if (broken && Buffer.from(value.bytes).toString() === '00001:1') throw new Error('the sink broke');
        }),
      );
    await expect(run(fails, { output, workers: 1 })).rejects.toThrow('the sink broke');
    expect(await readdir(path.join(output, 'commits'))).toEqual(['00000.json']);
    broken = false;
    expect(await run(fails, { output, workers: 1 })).toMatchObject({ ran: 2, splits: 3 });
    expect(await run(fails, { output, workers: 1 })).toMatchObject({ ran: 0, splits: 3 });
  });

  it('reads exactly the first documents under a limit, however splits lie', async () => {
    const summary = await run(plain([3, 4, 5]), { output, limit: 5, workers: 4 });
    expect(summary.counts['documents_read']).toBe(5);
    expect(await read('lines/00001.txt')).toBe('00001:0\n00001:1\n');
    expect(await run(plain([3, 4, 5]), { output, limit: 5, workers: 4 })).toMatchObject({ ran: 0 });
  });

  it('writes rejects in the order of the source, with position, hint and payload', async () => {
    const summary = await run(rejecting([10, 4], 4), { output });
    expect(summary).toMatchObject({ rejects: 4, counts: { documents_read: 14, lines: 10 } });
    const rejects = (await read('rejects/00000.jsonl'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(rejects.map((reject) => reject.position.ordinal)).toEqual([0, 4, 8]);
    expect(rejects[1]).toMatchObject({ stage: 'every', code: 'DIVISIBLE', uri: 'numbers/00000', payload: '00000:4' });
    expect((await asJson('commits/00000.json')).rejects).toBe(3);
  });

  it('lists inputs that could not be planned, and counts them', async () => {
    const source = numbers([1], (reject) =>
      reject(new RecordError('no such file', { code: 'UNREADABLE', path: 'gone' })),
    );
    const summary = await run(
      definePipeline('planned', source)
        .pipe(map((d) => d))
        .to(lines()),
      { output },
    );
    expect(summary.rejects).toBe(1);
    expect(await read('rejects/plan.jsonl')).toContain('"code":"UNREADABLE"');
    expect((await asJson('manifest.json')).totals).toMatchObject({ left_out: 1, rejects: 1 });
  });

  it('stops when too many documents are rejected, and not before there are enough to tell', async () => {
    await expect(run(rejecting([400], 1), { output })).rejects.toMatchObject({
      code: 'REJECT_RATE',
      message: '400 of 400 records of split 00000 were rejected, most often DIVISIBLE: divisible',
      path: 'numbers/00000',
      position: { ordinal: 0 },
      hint: expect.stringMatching(/^maxRejectRate is 0.5\. .*--max-reject-rate/),
    });
    await expect(run(rejecting([400], 2, { maxRejectRate: 0.6 }), { output, fresh: true })).resolves.toMatchObject({
      rejects: 200,
    });
    // What is said to the run is no part of its digest: what was stopped goes on.
    await expect(run(rejecting([400], 1), { output, fresh: true })).rejects.toMatchObject({ code: 'REJECT_RATE' });
    const { digest } = await asJson('plan.json');
    await expect(run(rejecting([400], 1), { output, maxRejectRate: 1 })).resolves.toMatchObject({ rejects: 400 });
    expect((await asJson('plan.json')).digest).toBe(digest);
    await expect(run(rejecting([50], 1), { output, fresh: true })).resolves.toMatchObject({ rejects: 50 });
  });

  it("stops at the first reject with onError: 'fail'", async () => {
    await expect(run(rejecting([9], 5, { onError: 'fail' }), { output })).rejects.toMatchObject({
      code: 'DIVISIBLE',
      position: { ordinal: 0 },
    });
  });

  it('refuses an output that another plan has made, unless told to start over', async () => {
    await run(plain([3]), { output });
    await expect(run(plain([4]), { output })).rejects.toMatchObject({
      code: 'OTHER_PLAN',
      message: expect.stringContaining('source'),
    });
    await expect(run(plain([3]), { output, limit: 2 })).rejects.toMatchObject({
      code: 'OTHER_PLAN',
      message: expect.stringContaining('limit'),
    });
    await run(plain([4]), { output, fresh: true });
    expect(await read('lines/00000.txt')).toBe('00000:0\n00000:1\n00000:2\n00000:3\n');
  });

  it('plans anew where the first attempt has committed nothing, and leaves nothing of it', async () => {
    const torn = definePipeline('torn', numbers([3, 200]))
      .pipe(map((d) => d))
      .to(lines());
    await expect(run(rejecting([200, 300], 1), { output })).rejects.toMatchObject({ code: 'REJECT_RATE' });
    for (const file of [
      'lines/00001.txt',
      'lines/deep/00000-000007-x.bin',
      'lines/sign-00001.bands',
      'rejects/00000.jsonl',
    ]) {
      await mkdir(path.dirname(path.join(output, file)), { recursive: true });
      await writeFile(path.join(output, file), 'of a split that was not committed');
    }
    await run(torn, { output, limit: 2 });
    expect((await readdir(output, { recursive: true })).sort()).toEqual([
      'commits',
      'commits/00000.json',
      'lines',
      'lines/00000.txt',
      'manifest.json',
      'plan.json',
      'rejects',
    ]);
  });

  it.each([
    'commits/00001.json',
    'commits/dedup/sign-00000.json',
    'manifest.json',
    'lines/thesis.txt',
    'lines/00002.txt',
    'lines/sign-00002.bands',
    'data/00000.txt',
    '00000.txt',
  ])('refuses an output of another plan that holds %s, and touches nothing', async (file) => {
    await expect(run(rejecting([200, 300], 1), { output })).rejects.toMatchObject({ code: 'REJECT_RATE' });
    await mkdir(path.dirname(path.join(output, file)), { recursive: true });
    await writeFile(path.join(output, file), 'kept');
    await writeFile(path.join(output, 'lines/00000.txt'), 'kept');
    const before = await hashTree(output);
    await expect(run(plain([3]), { output })).rejects.toMatchObject({ code: 'OTHER_PLAN' });
    expect(await hashTree(output)).toEqual(before);
  });

  it('never touches a folder that holds other files', async () => {
    await mkdir(output);
    await writeFile(path.join(output, 'thesis.txt'), 'years of work');
    await expect(run(plain([1]), { output })).rejects.toMatchObject({ code: 'NOT_EMPTY' });
    await expect(run(plain([1]), { output, fresh: true })).rejects.toMatchObject({ code: 'NOT_EMPTY' });
    expect(await read('thesis.txt')).toBe('years of work');
  });

  it("never clears somebody else's shards, manifest or plan, however they are named", async () => {
    await mkdir(path.join(output, 'shards'), { recursive: true });
    await writeFile(path.join(output, 'shards/train-0.tar'), 'a dataset');
    await writeFile(path.join(output, 'manifest.json'), '{}');
    await expect(run(plain([1]), { output, fresh: true })).rejects.toMatchObject({ code: 'NOT_EMPTY' });
    await writeFile(path.join(output, 'plan.json'), '{"terraform":1}');
    await expect(run(plain([1]), { output, fresh: true })).rejects.toMatchObject({ code: 'NOT_EMPTY' });
    expect(await read('shards/train-0.tar')).toBe('a dataset');
  });

  it('starts over in the output of another version, folders of its sinks included', async () => {
    await run(plain([2]), { output });
    const plan = await asJson('plan.json');
    await writeFile(path.join(output, 'plan.json'), JSON.stringify({ ...plan, format: 'sluice_plan_v9' }));
    await expect(run(plain([2]), { output })).rejects.toMatchObject({ code: 'BAD_PLAN' });
    await expect(run(plain([2]), { output, fresh: true })).resolves.toMatchObject({ ran: 1 });
  });

  it('refuses a plan that was edited', async () => {
    await run(plain([2]), { output });
    const plan = await asJson('plan.json');
    await writeFile(
      path.join(output, 'plan.json'),
      JSON.stringify({ ...plan, splits: [{ ...plan.splits[0], id: '../../x' }] }),
    );
    await expect(run(plain([2]), { output })).rejects.toMatchObject({ code: 'BAD_PLAN' });
    await writeFile(path.join(output, 'plan.json'), JSON.stringify({ ...plan, seed: 7 }));
    await expect(run(plain([2]), { output })).rejects.toMatchObject({ code: 'OTHER_PLAN' });
  });

  it('knows a pipeline by the values of its parameters, wherever functions use them', async () => {
    const template = definePipeline('least', z.object({ least: z.number() }), ({ least }) =>
      definePipeline('least', numbers([4]))
        .pipe(filter((document) => document.source.position.ordinal >= least))
        .to(lines()),
    );
    await run(template.build({ least: 0 }), { output });
    await expect(run(template.build({ least: 2 }), { output })).rejects.toMatchObject({
      code: 'OTHER_PLAN',
      message: expect.stringContaining('parameters.least'),
    });
  });

  it('refuses two sinks that write the same file, and names that leave their folder', async () => {
    const twice = definePipeline('twice', numbers([2]))
      .pipe(map((d) => d))
      .to(lines(), lines());
    await expect(run(twice, { output })).rejects.toMatchObject({ code: 'BAD_FILE' });
    for (const name of ['../x', 'commits/00000.json', 'lines/other.txt', '00000.txt', 'lines/../../00000']) {
      const leaving: Sink<unknown> = {
        kind: 'escape',
        options: null,
        holds: 0,
        open: async (context) => {
          await context.file(name);
          return { write: () => {}, finish: async () => ({}) };
        },
      };
      const pipeline = definePipeline('escape', numbers([1]))
        .pipe(map((d) => d))
        .to(leaving);
      await expect(run(pipeline, { output, fresh: true }), name).rejects.toMatchObject({ code: 'BAD_FILE' });
    }
  });

  it('looks at the reject rate over splits too, and the memory it has changes nothing', async () => {
    const small = Array.from({ length: 20 }, () => 99);
    await expect(run(rejecting(small, 1), { output })).rejects.toMatchObject({
      code: 'REJECT_RATE',
      message: '198 of 198 records of all splits up to 00001 were rejected, most often DIVISIBLE: divisible',
      path: 'numbers/00000',
      hint: expect.stringMatching(/^maxRejectRate is 0.5; rejects\/ lists them all\. /),
    });
    const late = (memory?: number) => run(rejecting([200], 2, { maxRejectRate: 0.5 }), { output, fresh: true, memory });
    await expect(late()).resolves.toMatchObject({ rejects: 100 });
    await expect(late(1e9)).resolves.toMatchObject({ rejects: 100 });
  });

  it('forgets the rejects of a plan that was never made', async () => {
    await mkdir(path.join(output, 'rejects'), { recursive: true });
    await writeFile(path.join(output, 'rejects/plan.jsonl'), '{"code":"UNREADABLE"}\n');
    await run(plain([1]), { output });
    expect(await readdir(output)).not.toContain('rejects/plan.jsonl');
    expect(await readdir(path.join(output, 'rejects'))).toEqual([]);
  });

  it('says so when the output is a file', async () => {
    await writeFile(output, '');
    await expect(run(plain([1]), { output })).rejects.toMatchObject({
      name: 'OutputError',
      code: 'NO_FOLDER',
      hint: 'give another --output',
    });
  });

  it('refuses a folder that another process is using, and takes over one whose process is gone', async () => {
    const unlock = await lockOutput(output);
    await expect(run(plain([1]), { output })).rejects.toMatchObject({ code: 'LOCKED' });
    await unlock();
    await writeFile(
      path.join(output, '.lock'),
      JSON.stringify({ host: (await import('node:os')).hostname(), pid: 2 ** 22 + 1, started: '1' }),
    );
    await expect(run(plain([1]), { output })).resolves.toMatchObject({ ran: 1 });
  });

  it('ends cleanly when it is aborted, and a resume gives the bytes of an undisturbed run', async () => {
    const controller = new AbortController();
    let written = 0;
    const slow = definePipeline('slow', numbers([5, 5, 5]))
      .pipe(map((d) => d))
      .to(
        lines(() => {
          if (++written === 7) controller.abort(new Error('enough'));
        }),
      );
    await expect(run(slow, { output, workers: 1, signal: controller.signal })).rejects.toThrow('enough');
    await run(slow, { output });
    const resumed = await hashTree(output);
    await run(slow, { output, fresh: true });
    expect(resumed).toEqual(await hashTree(output));
  });

  it('tells events that add up to the summary', async () => {
    const events: RunEvent[] = [];
    const summary = await run(rejecting([7, 9, 2], 3), { output, onEvent: (event) => events.push(event) });
    const records = events.flatMap((event) => (event.type === 'committed' ? event.record : []));
    expect(events[0]?.type).toBe('planned');
    expect(records).toHaveLength(3);
    expect(records.reduce((sum, record) => sum + record.rejects, 0)).toBe(summary.rejects);
    expect(records.reduce((sum, record) => sum + (record.counts['lines'] ?? 0), 0)).toBe(summary.counts['lines']);
    expect(summary.counts['documents_read']).toBe((summary.counts['lines'] ?? 0) + summary.rejects);
  });

  it('refuses operators that hide an unbounded queue, at the first value', async () => {
    const { concatMap } = await import('rxjs');
    const hidden = definePipeline('hidden', numbers([3]))
      .pipe(concatMap(async (d: Document) => d))
      .to(lines());
    await expect(run(hidden, { output })).rejects.toMatchObject({ code: 'UNGATED' });
  });
});
