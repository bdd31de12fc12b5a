import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { openModel } from 'sluice/model';
import { computeAll, documentOf } from './work.ts';

export interface MemoryFigure {
  readonly name: string;
  readonly value: number;
}

/**
 * Memory of a process that has computed documents of so many bytes on two workers, as Linux counts it: anonymous pages,
 * and its share of all pages (those of the weights' file counted once).
 */
export function anonymousMegabytes(dir: string, bytes: number): MemoryFigure[] {
  if (process.platform !== 'linux') return [];
  const { stdout } = spawnSync(
    process.execPath,
    ['--conditions=sluice-source', import.meta.filename, dir, String(bytes)],
    {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  return JSON.parse(stdout) as MemoryFigure[];
}

if (import.meta.main) {
  const [dir = '', bytes = '512'] = process.argv.slice(2);
  const before = smaps();
  const model = await openModel(dir, { threads: 2 });
  const documents = Array.from({ length: 8 }, (_, i) => documentOf(Number(bytes) + 1, i));
  let peak = before.Anonymous;
  const watch = setInterval(() => {
    peak = Math.max(peak, smaps().Anonymous);
  }, 50);
  await computeAll(model, documents);
  const after = smaps();
  clearInterval(watch);
  const figures: MemoryFigure[] = [
    { name: 'anonymous, before the model', value: before.Anonymous },
    { name: 'anonymous, after', value: after.Anonymous },
    { name: 'anonymous, peak', value: Math.max(peak, after.Anonymous) },
    { name: 'Pss, after', value: after.Pss },
  ];
  process.stdout.write(JSON.stringify(figures));
  await model.close();
}

function smaps(): Record<'Anonymous' | 'Pss', number> {
  const text = readFileSync('/proc/self/smaps_rollup', 'utf8');
  const megabytes = (key: string): number => Number(new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(text)?.[1]) / 1000;
  return { Anonymous: megabytes('Anonymous'), Pss: megabytes('Pss') };
}
