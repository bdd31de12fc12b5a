import { mkdtemp, readdir, readFile, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { defer, filter, map, tap } from 'rxjs';
import {
  type Document,
  definePipeline,
  type Pipeline,
  RecordError,
  type RunEvent,
  run,
  type Sink,
  type Split,
} from 'sluice';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { currentRun } from '../../src/run/context.ts';
import type { JobStage, JobView } from '../../src/run/jobStage.ts';
import { planNotes } from '../../src/run/planNotes.ts';
import { planMemory } from '../../src/run/run.ts';
import { type Preparation, type Sample, stepsOf, withTraits } from '../../src/run/stages.ts';
import { verifyOutput } from '../../src/run/verify.ts';
import { lines, numbers } from '../support/lines.ts';
import { hashTree } from '../support/tree.ts';

let output: string;
beforeEach(async () => {
  output = path.join(await mkdtemp(path.join(tmpdir(), 'sluice-stages-')), 'out');
});
afterEach(() => rm(path.dirname(output), { recursive: true, force: true }));

const read = (file: string): Promise<string> => readFile(path.join(output, file), 'utf8');
const asJson = async (file: string) => JSON.parse(await read(file));

/** Counts the documents of a split into `count/see-<split>.txt`, which no later run needs. */
const seeing: Sink<unknown> = {
  kind: 'see',
  options: null,
  holds: 0,
  async open({ split, file }) {
    let seen = 0;
    return {
      write: () => {
        seen++;
      },
      async finish() {
        const target = await file(`count/see-${split.id}.txt`);
        await target.write(Buffer.from(`${seen}\n`));
        await target.publish({ temporary: true });
        return { seen };
      },
    };
  },
};

/** Adds up what the pass has counted: one task for even splits, one for odd ones. */
function adding(more: Partial<JobStage> = {}): JobStage {
  return {
    name: 'count/add',
    holds: 1000,
    tasks: async () => ['even', 'odd'],
    async run(context) {
      const own = context.commitsOf('count/see').filter((_, i) => (i % 2 === 1) === (context.task === 'odd'));
      let sum = 0;
      for (const { artefacts } of own) sum += Number(await readFile(path.join(context.root, artefacts[0]?.path ?? '')));
      const file = await context.file(`count/add-${context.task}.txt`);
      await file.write(Buffer.from(`${sum}\n`));
      await file.publish({});
      return { sum };
    },
    ...more,
  };
}

const total: JobStage = {
  name: 'count/total',
  holds: 0,
  files: ['total.txt'],
  tasks: async () => ['0'],
  async run(context) {
    const counts = context.commitsOf('').map(({ counts: own }) => own['lines'] ?? 0);
    const file = await context.file('total.txt');
    await file.write(Buffer.from(`${counts.join('+')}\n`));
    await file.publish({});
    return {};
  },
};

interface Wanted extends Partial<Preparation> {
  readonly onValue?: (value: Document) => void;
}

/** Lets every value pass that is below the number of all documents, which takes a pass over them to know. */
function counted(sizes: readonly number[], { onValue = () => {}, ...parts }: Wanted = {}): Pipeline {
  const preparation = { pass: { name: 'count/see', sink: seeing }, before: [adding()], after: [total], ...parts };
  const below = withTraits(
    map((value: Document) => {
      onValue(value);
      return value;
    }),
    { preparation },
  );
  return definePipeline('counted', numbers(sizes))
    .pipe(
      filter((document: Document) => document.source.position.ordinal !== 1),
      below,
    )
    .to(lines());
}

describe('an operator that prepares itself', () => {
  it('has its input read in a pass of its own, then its stages run, before the first value comes to it', async () => {
    const order: string[] = [];
    const pipeline = counted([3, 0, 2], { onValue: ({ id }) => order.push(id) });
    const summary = await run(pipeline, {
      output,
      workers: 1,
      onEvent: (event) => {
        if (event.type === 'stage') order.push(event.name);
        if (event.type === 'task' || event.type === 'committed') {
          const { record } = event;
          order.push(record.split);
        }
      },
    });
    expect(order).toEqual([
      ...['count/see', 'count/see-00000', 'count/see-00001', 'count/see-00002'],
      ...['count/add', 'count/add-even', 'count/add-odd'],
      ...['00000-0', '00000-2', '00000', '00001', '00002-0', '00002'],
      ...['count/total', 'count/total-0'],
    ]);
    expect(summary).toMatchObject({ ran: 3, splits: 3, counts: { lines: 3, documents_read: 5 } });
  });

  it('leaves what lasts, takes away what is temporary, and lists all tasks in the manifest', async () => {
    await run(counted([3, 0, 2]), { output });
    expect((await readdir(output, { recursive: true })).filter((name) => name.includes('.')).sort()).toEqual([
      ...['commits/00000.json', 'commits/00001.json', 'commits/00002.json'],
      ...['commits/count/add-even.json', 'commits/count/add-odd.json'],
      ...['commits/count/see-00000.json', 'commits/count/see-00001.json', 'commits/count/see-00002.json'],
      ...['commits/count/total-0.json', 'count/add-even.txt', 'count/add-odd.txt'],
      ...['lines/00000.txt', 'lines/00002.txt', 'manifest.json', 'plan.json', 'total.txt'],
    ]);
    expect(await read('count/add-even.txt')).toBe('3\n');
    expect(await read('total.txt')).toBe('2+0+1\n');
    const manifest = await asJson('manifest.json');
    expect(manifest.tasks).toMatchObject({ 'count/add-even': { sum: 3 }, 'count/add-odd': { sum: 0 } });
    expect(manifest.totals).toMatchObject({ lines: 3, documents_read: 5 });
    expect(manifest.artefacts.map((artefact: { path: string }) => artefact.path)).toEqual([
      ...['count/add-even.txt', 'count/add-odd.txt', 'lines/00000.txt', 'lines/00002.txt', 'total.txt'],
    ]);
    expect(await verifyOutput(output)).toMatchObject({ ok: true, files: 5 + 3 - 3 });
  });

  it('gives the same bytes for any number of workers', async () => {
    await run(counted([3, 4, 2, 5]), { output, workers: 1 });
    const one = await hashTree(output);
    await run(counted([3, 4, 2, 5]), { output, workers: 4, fresh: true });
    expect(await hashTree(output)).toEqual(one);
  });

  it('is resumed at the task that failed; what was committed is not done again', async () => {
    let broken = true;
    const done: string[] = [];
    const flaky = adding({
      run: async (context) => {
        if (broken && context.task === 'odd') throw new Error('out of order');
        done.push(context.task);
        return adding().run(context);
      },
    });
    const seen: string[] = [];
    const events = (event: RunEvent): void => {
      if (event.type === 'started') seen.push(`${event.split.pass}-${event.split.split.id}`);
    };
    const pipeline = counted([1, 1], { before: [flaky] });
    await expect(run(pipeline, { output, workers: 1, onEvent: events })).rejects.toThrow('out of order');
    expect(await verifyOutput(output)).toMatchObject({ ok: false, findings: [{ code: 'MISSING_COMMIT' }, {}] });
    broken = false;
    await run(pipeline, { output, workers: 1, onEvent: events });
    expect(done).toEqual(['even', 'odd']);
    expect(seen).toEqual(['count/see-00000', 'count/see-00001', '-00000', '-00001']);
    expect((await run(pipeline, { output })).ran).toBe(0);
  });

  it('makes a commit anew that a complete run has lost, and for that the temporary files it was made of', async () => {
    const pipeline = counted([3, 0, 2]);
    await run(pipeline, { output });
    const whole = await hashTree(output);
    const commits = Object.keys(whole).filter((file) => file.startsWith('commits/'));
    expect(commits).toContain('commits/count/add-odd.json');
    for (const file of commits) {
      await rm(path.join(output, file));
      await run(pipeline, { output });
      expect(await hashTree(output), file).toEqual(whole);
    }
  });

  it('is done again where its files are gone or cut short, and a step behind it has still to read them', async () => {
    const pipeline = counted([3, 0, 2]);
    await run(pipeline, { output });
    const whole = await hashTree(output);
    for (const damage of [rm, truncate]) {
      await damage(path.join(output, 'count/add-odd.txt'));
      await rm(path.join(output, 'commits/00002.json'));
      await run(pipeline, { output });
      expect(await hashTree(output), damage.name).toEqual(whole);
    }
  });

  it('reads no more documents in its pass than a limit allows the run', async () => {
    await run(counted([3, 3, 3]), { output, limit: 4 });
    const manifest = await asJson('manifest.json');
    expect(manifest.tasks).toMatchObject({ 'count/add-even': { sum: 2 }, 'count/add-odd': { sum: 1 } });
    expect(manifest.totals).toMatchObject({ documents_read: 4 });
  });

  it('counts rejects of its pass once, in the run proper', async () => {
    const rejecting = definePipeline('counted', numbers([2]))
      .pipe(
        (source) =>
          defer(() => {
            const context = currentRun();
            return source.pipe(
              tap(({ source: { uri, position } }) =>
                context?.reject('all', new RecordError('no', { code: 'NO', path: uri, position })),
              ),
            );
          }),
        withTraits(
          map((value: Document) => value),
          { preparation: { pass: { name: 'count/see', sink: seeing }, before: [], after: [] } },
        ),
      )
      .to(lines());
    const summary = await run(rejecting, { output });
    expect(summary.rejects).toBe(2);
    expect(await readdir(path.join(output, 'rejects'))).toEqual(['00000.jsonl']);
    expect(await verifyOutput(output)).toMatchObject({ ok: true });
  });

  it('finds a changed file of a task, and a commit that is gone', async () => {
    await run(counted([3, 2]), { output });
    await rm(path.join(output, 'commits/count/add-odd.json'));
    const { findings } = await verifyOutput(output);
    expect(findings).toMatchObject([
      { path: 'manifest.json', code: 'MANIFEST' },
      { path: 'count/add-odd.txt', code: 'STRAY' },
    ]);
  });

  it('is cleared as a whole by a fresh start', async () => {
    await run(counted([3, 2]), { output });
    await run(
      definePipeline('other', numbers([1]))
        .pipe(map((d) => d))
        .to(lines()),
      { output, fresh: true },
    );
    expect((await readdir(output)).sort()).toEqual(['commits', 'lines', 'manifest.json', 'plan.json']);
  });

  it('reads the splits that its pass asks for, and all of them under a limit', async () => {
    const pass = {
      name: 'count/see',
      sink: seeing,
      splits: (all: readonly Split[]) => all.filter((_, i) => i % 2 === 1),
    };
    const seen = async (): Promise<string[]> =>
      (await readdir(path.join(output, 'commits/count'))).filter((name) => name.startsWith('see-')).sort();
    await run(counted([2, 2, 2, 2], { pass, before: [], after: [] }), { output });
    expect(await seen()).toEqual(['see-00001.json', 'see-00003.json']);
    expect(await verifyOutput(output)).toMatchObject({ ok: true });
    await run(counted([2, 2, 2, 2], { pass, before: [], after: [] }), { output, fresh: true, limit: 5 });
    expect(await seen()).toEqual(['see-00000.json', 'see-00001.json', 'see-00002.json']);
  });

  it('is not begun where what it holds, known when its turn comes, is more than the memory allows', async () => {
    const holdsFor = (job: JobView): number => 20e9 * job.commitsOf('count/see').length;
    const pipeline = counted([1, 1], { before: [adding({ holdsFor })] });
    await expect(run(pipeline, { output, workers: 1, memory: 2e9 })).rejects.toMatchObject({
      code: 'MEMORY_TOO_SMALL',
      hint: expect.stringMatching(/--memory 40\d{3}MB/),
    });
    expect(await run(pipeline, { output, workers: 1 })).toMatchObject({ splits: 2 });
  });

  it('may write no file but its own', async () => {
    const greedy = adding({ run: async (context) => context.file('lines/00000.txt').then(() => ({})) });
    await expect(run(counted([1], { before: [greedy] }), { output })).rejects.toMatchObject({
      code: 'BAD_FILE',
      path: 'lines/00000.txt',
    });
  });

  it('is refused beside another one that writes the same files', async () => {
    const twice = counted([1], { after: [total, total] });
    await expect(run(twice, { output })).rejects.toMatchObject({ code: 'SAME_STEP', path: 'count/total' });
  });

  it('is refused for a stream that passes once', async () => {
    const pipeline = counted([1]);
    const once = { ...pipeline, source: { ...pipeline.source, once: true } };
    await expect(run(once, { output })).rejects.toMatchObject({ code: 'READ_ONCE' });
  });
});

describe('the plan of a pipeline with stages', () => {
  it('lists passes and stages in their order, and is bounded by whichever takes most', () => {
    const pipeline = counted([1, 1], { before: [adding({ holds: 50e9 })] });
    expect(stepsOf(pipeline).map((step) => (step.kind === 'stage' ? step.stage.name : step.name))).toEqual([
      ...['count/see', 'count/add', '', 'count/total'],
    ]);
    const splits = ['00000', '00001'].map((id) => ({ id, bytes: 1, spec: null }));
    const most = planMemory(pipeline, { workers: 1 }, splits);
    expect(most.bound).toBeGreaterThan(50e9);
    expect(most.largest).toBe('count/add');
    const proper = planMemory(
      counted([1, 1], { pass: { name: 'count/see', sink: { ...seeing, holds: 0 } } }),
      { workers: 1 },
      splits,
    );
    expect(proper.bound).toBeLessThan(2e9);
    expect(proper).toMatchObject({
      largest: undefined,
      bound: proper.parts.reduce((sum, part) => sum + part.bytes, 0),
    });
    expect(() => planMemory(pipeline, { workers: 1, memory: 1e9 }, splits)).toThrow(
      /too little for stage 'count\/add'/,
    );
  });

  it('asks operators what they say of it, with a sample of what will reach them', async () => {
    const samples: Sample[] = [];
    const noted = withTraits(
      map((value: Document) => value),
      {
        notes: async (given) => {
          samples.push(await given.sample());
          return ['a note'];
        },
      },
    );
    const pipeline = definePipeline('noted', numbers([2, 3]))
      .pipe(
        filter((document: Document) => document.source.position.ordinal !== 1),
        noted,
      )
      .to(lines());
    const splits = ['00000', '00001'].map((id, i) => ({ id, bytes: 10, spec: i }));
    expect(await planNotes(pipeline, splits)).toEqual(['a note']);
    expect(samples[0]?.values.map((value) => (value as Document).id)).toEqual(['00000-0', '00001-0', '00001-2']);
    expect(samples[0]?.count).toBe(3);
  });

  it('tells of what breaks a sample off, and does not end by it', async () => {
    const noted = withTraits(
      map((value: Document) => value),
      { notes: async ({ sample }) => [`${(await sample()).values.length} values`] },
    );
    const pipeline = definePipeline('noted', numbers([2, 3]))
      .pipe(
        tap(({ id }: Document) => {
          if (id === '00001-1') throw new Error('out of order');
        }),
        noted,
      )
      .to(lines());
    const splits = ['00000', '00001'].map((id, i) => ({ id, bytes: 10, spec: i }));
    expect(await planNotes(pipeline, splits)).toEqual([
      'split 00001 was sampled as far as it goes: out of order',
      '3 values',
    ]);
  });

  it('takes no more of large documents than a few megabytes', async () => {
    let read = 0;
    const noted = withTraits(
      map((value: Document) => value),
      { notes: async ({ sample }) => [String((await sample()).count)] },
    );
    const pipeline = definePipeline('noted', numbers([40]))
      .pipe(
        map((document: Document) => {
          read++;
          return { ...document, bytes: new Uint8Array(1 << 20) };
        }),
        noted,
      )
      .to(lines());
    expect(await planNotes(pipeline, [{ id: '00000', bytes: 40 << 20, spec: 0 }])).toEqual(['40']);
    expect(read).toBeLessThan(8);
  });
});
