/** Prints one table of all figures of a run: `table.ts <cases> <figures>`, files of JSON lines as `gpu.sh` gathers them. */
import { existsSync, readFileSync } from 'node:fs';
import type { Row } from '../harness.ts';
import type { CaseLine } from './cases.ts';

/** One line of `torchKernels.py`. */
interface TorchLine {
  readonly bench: 'torch';
  readonly case: string;
  readonly seconds: Readonly<Record<string, number>>;
  readonly tokens: number | null;
}

const KINDS = ['eager', 'compile', 'graph'];
const HEAD = ['case', '', 'sluice', 'of ceiling', 'peer', '', 'x', ...KINDS.flatMap((kind) => [`torch ${kind}`, 'x'])];

const [casesFile = '', figuresFile = ''] = process.argv.slice(2);
const cases = new Map(linesOf<CaseLine>(casesFile).map((line) => [line.case, line]));
const lines = linesOf<Row | TorchLine>(figuresFile);
const torch = new Map(lines.filter(isTorch).map((line) => [line.case, line]));

const rows = lines.filter((line): line is Row => !isTorch(line));
const cells = [HEAD, ...rows.map(cellsOf)];
const widths = HEAD.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
for (const row of cells) {
  const line = row.map((cell, i) => (i === 0 || i === 5 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)));
  console.log(line.join('  ').trimEnd());
}

function cellsOf(row: Row): string[] {
  const peers = KINDS.flatMap((kind) => {
    const rate = torchRate(row, kind);
    return rate === undefined ? ['', ''] : [figure(rate), (row.value / rate).toFixed(2)];
  });
  return [
    row.case,
    row.unit,
    figure(row.value),
    row.fraction === null ? '' : `${(100 * row.fraction).toFixed(1)} %`,
    row.peerValue === null ? '' : figure(row.peerValue),
    row.peer ?? '',
    row.ratio === null ? '' : row.ratio.toFixed(2),
    ...peers,
  ];
}

/** What PyTorch makes of the same case, in the unit of the row. */
function torchRate({ case: name, unit }: Row, kind: string): number | undefined {
  const line = torch.get(name);
  const seconds = line?.seconds[kind];
  if (line === undefined || seconds === undefined) return undefined;
  const work = cases.get(name);
  if (unit === 'B/s' && line.tokens !== null) return line.tokens / seconds;
  if (unit === 'GB/s' && work !== undefined) return work.bytes / seconds / 1e9;
  return unit === 'GFLOP/s' && work !== undefined ? work.flops / seconds / 1e9 : undefined;
}

function isTorch(line: Row | TorchLine): line is TorchLine {
  return line.bench === 'torch';
}

function linesOf<T>(file: string): T[] {
  if (!existsSync(file)) return [];
  const text = readFileSync(file, 'utf8').split('\n');
  return text.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as T);
}

function figure(value: number): string {
  return value >= 1000 ? value.toFixed(0) : value.toPrecision(3);
}
