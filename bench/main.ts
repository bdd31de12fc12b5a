/**
 * Runs benchmarks: `npm run -s bench -- <name>... [--json]`. One line for each case on stdout: for people, or with
 * `--json` one object a line as in `Row`. Exit code 2 where there is no such benchmark.
 */
import { readdir } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { Bench, type BenchFile, line } from './harness.ts';

const SUFFIX = '.bench.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'boolean', default: false } },
});
const known = (await readdir(import.meta.dirname))
  .filter((file) => file.endsWith(SUFFIX))
  .map((file) => file.slice(0, -SUFFIX.length))
  .sort();
const unknown = positionals.filter((name) => !known.includes(name));

if (positionals.length === 0 || unknown.length !== 0) {
  const problem = unknown.length === 0 ? 'Name a benchmark' : `There is no benchmark '${unknown.join("', '")}'`;
  console.error(`${problem}. Benchmarks: ${known.join(', ')}`);
  process.exitCode = 2;
} else {
  for (const name of positionals) {
    const { default: run } = (await import(`./${name}${SUFFIX}`)) as { default: BenchFile };
    const bench = new Bench(name, (row) => console.log(values.json ? JSON.stringify(row) : line(row)));
    const running = run(bench);
    if (typeof running === 'object' && Symbol.asyncIterator in running) {
      for await (const figure of running) bench.report(figure);
    } else {
      await running;
    }
  }
}
