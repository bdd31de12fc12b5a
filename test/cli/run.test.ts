import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exitCode } from '../../src/run/exitCodes.ts';
import { sluice, start, startScript } from '../support/sluice.ts';
import { hashTree } from '../support/tree.ts';

const fixtures = path.join(import.meta.dirname, '../fixtures');
const crash = path.join(fixtures, 'crash/pipeline.ts');
const root = path.join(import.meta.dirname, '../..');

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'sluice-cli-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));
const out = (name: string): string => path.join(folder, name);
const linesOf = (text: string) =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

describe('sluice run', () => {
  it('runs the quickstart on the bundled samples, and sluice verify finds nothing wrong', async () => {
    const ended = await sluice(['run', 'quickstart', '--output', out('quickstart'), '--progress', 'plain']);
    expect(ended.code, ended.stderr).toBe(exitCode.ok);
    for (const fact of ['documents', 'bytes', 'patches', 'mean patch', 'mean entropy', 'MB/s', out('quickstart')]) {
      expect(ended.stderr).toContain(fact);
    }
    const verified = await sluice(['verify', out('quickstart')]);
    expect(verified.code, verified.stderr).toBe(exitCode.ok);
    const inspected = await sluice(['inspect', out('quickstart'), '--json']);
    const report = JSON.parse(inspected.stdout);
    expect(report.complete).toBe(true);
    expect(report.documents.modalities.map((one: { modality: string }) => one.modality)).toEqual(
      expect.arrayContaining(['text', 'code', 'image']),
    );
  });

  it('prints progress as JSON lines on stdout that add up, and nothing else there', async () => {
    const ended = await sluice(['run', crash, '--output', out('json'), '--progress', 'json']);
    const events = linesOf(ended.stdout);
    const committed = events.filter((event) => event.event === 'committed');
    const summary = events.at(-1);
    expect(events[0]).toMatchObject({ event: 'planned', splits: 2, left_out: 1 });
    expect(summary.event).toBe('summary');
    const sum = (name: string) => committed.reduce((total, event) => total + event[name], 0);
    expect(sum('documents')).toBe(summary.documents);
    expect(sum('bytes')).toBe(summary.bytes);
    expect(sum('patches')).toBe(summary.patches);
    expect(sum('rejects') + events[0].left_out).toBe(summary.rejects);
    expect(summary.documents_read).toBe(summary.documents + sum('rejects'));
    expect(events[0].memory_bound).toBeGreaterThan(0);
  });

  it('finishes with exit code 3 when records were rejected, and says where they are', async () => {
    const ended = await sluice(['run', crash, '--output', out('rejects'), '--progress', 'off']);
    expect(ended.code).toBe(exitCode.rejects);
    expect(ended.stderr).toContain(`${out('rejects')}/rejects`);
    const [reject] = linesOf(await readFile(out('rejects/rejects/00000.jsonl'), 'utf8'));
    expect(reject).toMatchObject({ stage: 'pretokenize', code: 'EMPTY_DOCUMENT', position: { ordinal: 4 } });
  });

  it('ends with exit code 4 where a column is in no row, names those that are, and then takes the right one', async () => {
    const rows = Array.from({ length: 120 }, (_, id) => `${JSON.stringify({ id, text: `number ${id}` })}\n`);
    await writeFile(out('rows.jsonl'), rows.join(''));
    const flags = ['--input', out('rows.jsonl'), '--output', out('column'), '--progress', 'off'];
    const wrong = await sluice(['run', 'dedup', ...flags, '--text-column', 'nope']);
    expect(wrong.code).toBe(exitCode.rejectLimit);
    expect(wrong.stderr).toContain("were rejected, most often MISSING_COLUMN: there is no column 'nope' [REJECT_RATE]");
    expect(wrong.stderr).toMatch(/at {3}\S*rows\.jsonl, ordinal 0/);
    expect(wrong.stderr).toMatch(/hint .*'id'.*'text'/);
    expect(wrong.stderr).toContain('--max-reject-rate');
    const borne = await sluice(['run', 'dedup', ...flags, '--text-column', 'nope', '--max-reject-rate', '1']);
    expect(borne.code, borne.stderr).toBe(exitCode.rejects);
    const much = await sluice(['run', 'dedup', ...flags, '--max-reject-rate', '2']);
    expect(much.code).toBe(exitCode.usage);
    await rm(out('column'), { recursive: true });
    const right = await sluice(['run', 'dedup', ...flags]);
    expect(right.code, right.stderr).toBe(exitCode.ok);
  });

  it('takes a folder of a project as it is: JSON and CSV without a column of text are documents', async () => {
    const contents = {
      'README.md': '# a\n',
      'index.ts': 'export const a = 1;\n',
      'l.jsonl': '{"a":1}\n',
      'package.json': '{"name":"x","files":["a"]}\n',
      't.csv': 'a,b\n1,2\n',
      'tsconfig.json': '{"compilerOptions":{"lib":["es2024"]}}\n',
    };
    await mkdir(out('mixed'));
    for (const [name, content] of Object.entries(contents)) await writeFile(out(`mixed/${name}`), content);
    for (const pipeline of ['ingest', 'dedup']) {
      const flags = ['--input', out('mixed'), '--output', out(`mixed-${pipeline}`), '--progress', 'off'];
      const ended = await sluice(['run', pipeline, ...flags]);
      expect(ended.code, ended.stderr).toBe(exitCode.rejects);
      const rejects = linesOf(await readFile(out(`mixed-${pipeline}/rejects/00000.jsonl`), 'utf8'));
      expect(rejects.map(({ uri, code }) => [uri, code])).toEqual([['l.jsonl', 'MISSING_COLUMN']]);
      const { totals } = JSON.parse(await readFile(out(`mixed-${pipeline}/manifest.json`), 'utf8'));
      expect(totals).toMatchObject({ documents: 5, rejects: 1 });
    }
    const flags = ['--input', out('mixed/package.json'), '--text-column', 'name', '--output', out('named')];
    expect((await sluice(['run', 'ingest', ...flags])).code).toBe(exitCode.rejects);
    const [named] = linesOf(await readFile(out('named/rejects/00000.jsonl'), 'utf8'));
    expect(named).toMatchObject({ code: 'NO_ROWS', hint: expect.stringMatching(/json\(.*at: .*--text-column/) });
  });

  it('says that no row passed its conditions where nothing is left', async () => {
    await writeFile(
      out('nobody.ts'),
      `
import { definePipeline } from 'sluice';
import { jsonl } from 'sluice/sinks';
import { files } from 'sluice/sources';
import { z } from 'zod';
export default definePipeline('nobody', z.object({ least: z.number(), input: z.string() }), ({ least, input }) =>
  definePipeline('nobody', files(input, { columns: { n: 'int32', text: 'string' }, where: { n: { gte: least } } }))
    .to(jsonl('kept')),
);
`,
    );
    await writeFile(out('nobody.jsonl'), '{"n":1,"text":"a"}\n{"n":2,"text":"b"}\n');
    const from = (least: number) =>
      sluice([
        'run',
        out('nobody.ts'),
        '--input',
        out('nobody.jsonl'),
        '--least',
        `${least}`,
        '--output',
        out(`n${least}`),
      ]);
    const none = await from(3);
    expect(none.code, none.stderr).toBe(exitCode.ok);
    expect(none.stderr).toMatch(/passed over +2 rows.*no row passed where/s);
    expect((await from(2)).stderr).not.toContain('no row passed');
  });

  it('stops on SIGINT with exit code 130 and says how to resume, and the resume gives the same bytes', async () => {
    const running = start([
      'run',
      'ingest',
      '--input',
      path.join(root, 'samples'),
      '--output',
      out('stopped'),
      '--split-bytes',
      '20KB',
      '--progress',
      'json',
    ]);
    while (!running.output.stdout.includes('"event":"committed"')) await new Promise((wake) => setTimeout(wake, 20));
    running.child.kill('SIGINT');
    const ended = await running.ended;
    expect(ended.code, ended.stderr).toBe(exitCode.interrupted);
    expect(ended.stderr).toContain('run the same command again');
    for (const name of ['stopped', 'whole']) {
      const again = await sluice([
        'run',
        'ingest',
        '--input',
        path.join(root, 'samples'),
        '--output',
        out(name),
        '--split-bytes',
        '20KB',
        '--progress',
        'off',
      ]);
      expect(again.code, again.stderr).toBe(exitCode.ok);
    }
    expect(await hashTree(out('stopped'))).toEqual(await hashTree(out('whole')));
  });

  it('exits with 70 and explains every stage when a flow can never end', async () => {
    await writeFile(
      out('stall.ts'),
      `import { definePipeline } from 'sluice';
import { mapAsync, pull } from 'sluice/flow';
const source = { kind: 'one', options: null, async *splits() { yield { bytes: 1, spec: 0 }; }, read: () => pull(() => [[{ bytes: new Uint8Array(1) }]]) };
const sink = { kind: 'none', options: null, holds: 0, open: async () => ({ write: () => {}, finish: async () => ({}) }) };
export default definePipeline('stall', source).pipe(mapAsync(() => new Promise<never>(() => {}), { name: 'never' })).to(sink);
`,
    );
    const ended = await sluice(['run', out('stall.ts'), '--output', out('stall'), '--progress', 'off']);
    expect(ended.code, ended.stderr).toBe(exitCode.stalled);
    expect(ended.stderr).toMatch(/never: 1 of \d+ values/);
  });

  it('goes on to its end when nobody reads its progress any more', async () => {
    const running = start(['run', crash, '--output', out('unwatched'), '--progress', 'json']);
    running.child.stdout.destroy();
    expect((await running.ended).code).toBe(exitCode.rejects);
    expect((await sluice(['verify', out('unwatched')])).code).toBe(exitCode.ok);
  });

  it('ends with 130 on two signals in a row too, and leaves nothing broken', async () => {
    const running = start([
      'run',
      'ingest',
      '--input',
      path.join(root, 'samples'),
      '--output',
      out('twice'),
      '--progress',
      'json',
    ]);
    while (!/"patches":[1-9]/.test(running.output.stdout)) await new Promise((wake) => setTimeout(wake, 20));
    running.child.kill('SIGINT');
    running.child.kill('SIGTERM');
    const ended = await running.ended;
    expect(ended.code, ended.stderr).toBe(exitCode.interrupted);
    expect(ended.stderr).not.toContain('terminate');
  });

  it('helps with names that are nearly right', async () => {
    const pipeline = await sluice(['run', 'quikstart']);
    expect(pipeline.code).toBe(exitCode.usage);
    expect(pipeline.stderr).toContain("Did you mean 'quickstart'?");
    const flag = await sluice(['run', 'ingest', '--inptu', 'x']);
    expect(flag.code).toBe(exitCode.usage);
    expect(flag.stderr).toContain('Did you mean --input?');
    const missing = await sluice(['run', 'ingest']);
    expect(missing.code).toBe(exitCode.usage);
    expect(missing.stderr).toContain('--input is needed');
    const command = await sluice(['rnu']);
    expect(command.code).toBe(exitCode.usage);
    expect(command.stderr).toContain('Did you mean run?');
  });

  it.each(['run', 'plan'])(
    'refuses a flag of %s with a value that is given twice, unless it is a list',
    async (command) => {
      await writeFile(
        out('lists.ts'),
        `import { definePipeline } from 'sluice';
import { jsonl } from 'sluice/sinks';
import { files } from 'sluice/sources';
import { z } from 'zod';
const parameters = z.object({ input: z.array(z.string()), least: z.number().optional(), loud: z.boolean().default(false) });
export default definePipeline('lists', parameters, ({ input }) => definePipeline('lists', files(input)).pipe((all) => all).to(jsonl('lines')));
`,
      );
      const samples = path.join(root, 'samples');
      const sluiceOf = (pipeline: string, ...flags: string[]) =>
        sluice([command, pipeline, '--input', samples, ...flags]);
      const twice: [string, string, string[], string][] = [
        ['ingest', '--input', ['--input', folder], 'it takes one value; a folder or a pattern names several files'],
        ['ingest', '--limit', ['--limit', '1', '--limit=2'], 'it takes one value\n'],
        ['ingest', '--device', ['--device', 'cpu', '--device', 'cpu'], 'it takes one value\n'],
        [out('lists.ts'), '--least', ['--least', '1', '--least', '2'], 'it takes one value\n'],
      ];
      for (const [pipeline, flag, flags, hint] of twice) {
        const ended = await sluiceOf(pipeline, ...flags);
        expect(ended.code, ended.stderr).toBe(exitCode.usage);
        expect(ended.stderr).toContain(`error: ${flag} was given twice [BAD_FLAG]`);
        expect(ended.stderr).toContain(`hint ${hint}`);
      }
      const own = command === 'run' ? ['--output', out('lists'), '--progress', 'off'] : [];
      const ended = await sluiceOf(out('lists.ts'), '--input', import.meta.filename, '--loud', '--loud', ...own);
      expect(ended.code, ended.stderr).toBe(exitCode.ok);
    },
  );

  it('shows the parameters of a pipeline as typed flags in its help', async () => {
    const help = await sluice(['run', 'ingest', '--help']);
    expect(help.code).toBe(exitCode.ok);
    expect(help.stdout).toContain('--text-column <string>');
    expect(help.stdout).toContain('--max-patch-length <integer>');
  });

  it('tells which tensor of a model folder is missing or misshapen', async () => {
    await mkdir(out('model'));
    const config = JSON.parse(await readFile(path.join(root, 'models/tiny/config.json'), 'utf8'));
    config.args.n_layers = 9;
    await writeFile(out('model/config.json'), JSON.stringify(config));
    await writeFile(out('model/model.safetensors'), await readFile(path.join(root, 'models/tiny/model.safetensors')));
    const ended = await sluice([
      'run',
      'ingest',
      '--input',
      path.join(root, 'samples'),
      '--model',
      out('model'),
      '--output',
      out('bad-model'),
    ]);
    expect(ended.code, ended.stderr).toBe(exitCode.failed);
    expect(ended.stderr).toContain('layers.4.');
  });
});

describe('sluice plan', () => {
  it('shows stages, memory bound and splits, and writes nothing', async () => {
    const ended = await sluice(['plan', 'ingest', '--input', path.join(root, 'samples'), '--split-bytes', '20KB'], {
      cwd: folder,
    });
    expect(ended.code, ended.stderr).toBe(exitCode.ok);
    for (const fact of ['pretokenize', 'embed', 'patch', 'write', 'safetensors', 'bound', '00003'])
      expect(ended.stdout).toContain(fact);
    const smaller = await sluice(['plan', 'ingest', '--input', path.join(root, 'samples'), '--memory', '1MB']);
    expect(smaller.code).toBe(exitCode.failed);
    expect(smaller.stderr).toMatch(/give at least --memory \d+MB/);
  });
});

describe('sluice init', () => {
  it('scaffolds a project whose pipeline runs as it is, and overwrites nothing', async () => {
    const made = await sluice(['init', out('project')]);
    expect(made.code, made.stderr).toBe(exitCode.ok);
    const ended = await sluice(['run', 'first'], { cwd: out('project') });
    expect(ended.code, ended.stderr).toBe(exitCode.ok);
    expect((await sluice(['verify', 'out/first'], { cwd: out('project') })).code).toBe(exitCode.ok);
    const again = await sluice(['init', out('project')]);
    expect(again.code).toBe(exitCode.failed);
    expect(again.stderr).toContain('EXISTS');
  });

  it('scaffolds a project whose types are those of this checkout, with nothing installed or built', async () => {
    const made = await sluice(['init', out('typed')]);
    expect(made.code, made.stderr).toBe(exitCode.ok);
    // what lies in a folder above it must not be what makes its packages known
    const { compilerOptions } = JSON.parse(await readFile(out('typed/tsconfig.json'), 'utf8'));
    for (const name of ['sluice', 'rxjs', 'zod']) {
      const [file] = compilerOptions.paths[name];
      expect((await stat(path.resolve(out('typed'), file))).isFile(), name).toBe(true);
    }
    const types = () =>
      startScript(path.join(root, 'node_modules/typescript/bin/tsc'), [], { cwd: out('typed') }).ended;
    const right = await types();
    expect(right.stdout).toBe('');
    expect(right.code).toBe(0);
    const pipeline = out('typed/pipelines/first.ts');
    await writeFile(pipeline, (await readFile(pipeline, 'utf8')).replace('files(input)', 'files(input.length)'));
    expect((await types()).stdout).toMatch(/^pipelines\/first\.ts.*TS2345/);
  });
});

describe('sluice verify', () => {
  it('finds a changed byte, a missing file and a stray one, with exit code 5', async () => {
    await sluice(['run', crash, '--output', out('harmed'), '--progress', 'off']);
    const shard = out('harmed/shards/00000-000000.safetensors');
    const content = await readFile(shard);
    content[content.length - 1] = (content[content.length - 1] ?? 0) ^ 1;
    await writeFile(shard, content);
    await rm(out('harmed/commits/00001.json'));
    await writeFile(out('harmed/shards/stray.safetensors'), '');
    const ended = await sluice(['verify', out('harmed')]);
    expect(ended.code).toBe(exitCode.notVerified);
    for (const name of ['00000-000000.safetensors', '00001', 'stray.safetensors']) expect(ended.stderr).toContain(name);
  });
});

describe('sluice doctor', () => {
  it('tells what is there and what is off', async () => {
    const findings = linesOf((await sluice(['doctor', '--json'])).stdout);
    const state = (part: string) => findings.find((finding) => finding.part === part)?.state;
    expect(state('default model')).toBe('ok');
    expect(state('onnxruntime-node')).toBe('ok');
    expect(state('webgpu')).toBe('off');
  });
});
