/**
 * Starts and ends programs on a GPU in all ways, many times, and counts those that end as they should not: by native code
 * that aborts, with another exit code, or never. `node bootstrap.mjs tools/soak/gpuExits.ts [--runs 1000] [--adapter software|hardware]
 * [--parallel 2]`. Exit code 1 if there are any.
 */
import { parseArgs } from 'node:util';
import { swiftshader } from '../../test/support/swiftshader.ts';
import { exitTable, soakExits } from './exits.ts';

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '1000' },
    adapter: { type: 'string', default: 'software' },
    parallel: { type: 'string', default: '2' },
  },
});
const [runs, parallel] = [Number(values.runs), Number(values.parallel)];
const adapter = values.adapter === 'hardware' ? 'hardware' : 'software';
if (!(Number.isSafeInteger(runs) && runs > 0 && Number.isSafeInteger(parallel) && parallel > 0)) {
  throw new Error('--runs and --parallel are whole numbers above 0.');
}

const software = adapter === 'software' ? await swiftshader() : undefined;
const counts = await soakExits(runs, { adapter, env: software?.env ?? {}, parallel });
await software?.remove();
console.log(exitTable(counts).join('\n'));
for (const { scenario, example } of counts) if (example !== undefined) console.log(`${scenario.name}: ${example}`);
if (counts.some((count) => count.right < count.runs)) process.exitCode = 1;
