/**
 * Deduplicates a generated corpus twice: once undisturbed, once killed in the middle and resumed; compares every file of the
 * two outputs and prints time and peak memory. `node bootstrap.mjs tools/soak/dedupCorpus.ts [--documents 2000000]
 * [--folder out/soak] [--keep] [-- flags of the pipeline]`. Exit code 1 where the outputs differ.
 */
import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { start } from '../../test/support/sluice.ts';
import { generateCorpus } from './generatedCorpus.ts';
import { hashLargeTree } from './hashLargeTree.ts';

const { values, positionals } = parseArgs({
  options: {
    documents: { type: 'string', default: '2000000' },
    folder: { type: 'string', default: 'out/soak' },
    keep: { type: 'boolean', default: false },
  },
  allowPositionals: true,
});
const documents = Number(values.documents);
if (!(Number.isSafeInteger(documents) && documents > 0)) throw new Error('--documents is a whole number above 0.');
const folder = path.resolve(values.folder);

interface Measured {
  readonly seconds: number;
  readonly peakBytes: number;
  readonly signal: NodeJS.Signals | null;
}

/** Runs the pipeline; kills it after so many seconds. */
async function run(output: string, killAfter?: number): Promise<Measured> {
  const begun = performance.now();
  const flags = [
    '--input',
    path.join(folder, 'corpus'),
    '--id-column',
    'id',
    '--output',
    output,
    '--progress',
    'plain',
  ];
  const { child, ended } = start(['run', 'dedup', ...flags, ...positionals]);
  let peakBytes = 0;
  const watch = setInterval(() => {
    peakBytes = Math.max(peakBytes, peakOf(child.pid));
  }, 100);
  const killer = killAfter === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), killAfter * 1000);
  const { code, signal, stderr } = await ended;
  clearInterval(watch);
  clearTimeout(killer);
  if (signal === null && code !== 0) throw new Error(`exit code ${code}: ${stderr.slice(-2000)}`);
  return { seconds: (performance.now() - begun) / 1000, peakBytes, signal };
}

/** Peak resident memory of a process, 0 once it has ended; Linux alone tells it. */
function peakOf(pid: number | undefined): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return 1024 * Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0);
  } catch {
    return 0;
  }
}

const say = (what: string, { seconds, peakBytes, signal }: Measured): void =>
  console.log(
    `${what}: ${seconds.toFixed(1)} s, peak ${(peakBytes / 1e6).toFixed(0)} MB${signal ? `, ${signal}` : ''}`,
  );

await generateCorpus({ folder: path.join(folder, 'corpus'), documents, files: 20 });
const [whole, killed] = [path.join(folder, 'whole'), path.join(folder, 'killed')];
await rm(whole, { recursive: true, force: true });
await rm(killed, { recursive: true, force: true });
const undisturbed = await run(whole);
say('undisturbed', undisturbed);
say('killed', await run(killed, undisturbed.seconds * (0.2 + 0.6 * Math.random())));
say('resumed', await run(killed));
const [expected, found] = [await hashLargeTree(whole), await hashLargeTree(killed)];
const same = JSON.stringify(expected) === JSON.stringify(found);
console.log(same ? `equal: ${Object.keys(expected).length} files` : 'the outputs differ');
const report: unknown = JSON.parse(readFileSync(path.join(whole, 'report.json'), 'utf8'));
console.log(JSON.stringify(report));
if (!same) process.exitCode = 1;
if (!values.keep) await rm(folder, { recursive: true, force: true });
