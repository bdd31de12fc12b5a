import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { startScript } from '../../test/support/sluice.ts';
import { type Ending, EXIT_SCENARIOS, type ExitScenario } from './exitScenarios.ts';

const PROGRAM = path.join(import.meta.dirname, 'exitProgram.ts');
const PATIENCE_MS = 60_000;
/** How native code ends a process: the signals, or what a shell makes of them. */
const ABORTS: readonly Ending[] = [
  'SIGABRT',
  'SIGSEGV',
  'SIGBUS',
  'SIGILL',
  'SIGFPE',
  'SIGTRAP',
  132,
  133,
  134,
  135,
  136,
  139,
];

export interface ExitOptions {
  readonly adapter: 'hardware' | 'software';
  readonly env: Record<string, string>;
  /** Processes at a time. Default: 2. */
  readonly parallel?: number | undefined;
  /** Ways to end. Default: all. */
  readonly scenarios?: readonly ExitScenario[] | undefined;
}

/** What became of all processes of one scenario. */
export interface ExitCounts {
  readonly scenario: ExitScenario;
  readonly runs: number;
  /** Ended as a process without a GPU would. */
  readonly right: number;
  /** Were ended by native code. */
  readonly aborts: number;
  /** Had to be killed. */
  readonly hangs: number;
  /** How one ended that should not have, and what it said. */
  readonly example: string | undefined;
}

/** Starts that many processes, each scenario in its turn, and counts how they end. */
export async function soakExits(runs: number, options: ExitOptions): Promise<ExitCounts[]> {
  const { scenarios = EXIT_SCENARIOS } = options;
  const endings = scenarios.map((): Outcome[] => []);
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < runs) {
      const turn = next++ % scenarios.length;
      const scenario = scenarios[turn];
      if (scenario !== undefined) endings[turn]?.push(await run(scenario, options));
    }
  };
  await Promise.all(Array.from({ length: options.parallel ?? 2 }, work));
  return scenarios.map((scenario, i) => countsOf(scenario, endings[i] ?? []));
}

interface Outcome {
  readonly ending: Ending | 'hang';
  readonly stderr: string;
}

async function run({ name, signal }: ExitScenario, { adapter, env }: ExitOptions): Promise<Outcome> {
  const { child, ended } = startScript(PROGRAM, [adapter, name], { env });
  if (signal !== undefined) child.stdout.once('data', () => child.kill(signal));
  const patience = new AbortController();
  const hang = setTimeout(PATIENCE_MS, 'hang' as const, { signal: patience.signal }).catch(() => 'hang' as const);
  const end = await Promise.race([ended, hang]);
  patience.abort();
  if (end !== 'hang') return { ending: end.signal ?? end.code ?? 'hang', stderr: end.stderr };
  child.kill('SIGKILL');
  return { ending: 'hang', stderr: (await ended).stderr };
}

function countsOf(scenario: ExitScenario, outcomes: readonly Outcome[]): ExitCounts {
  const wrong = outcomes.filter(({ ending }) => ending !== scenario.ending);
  const example = wrong[0];
  return {
    scenario,
    runs: outcomes.length,
    right: outcomes.length - wrong.length,
    aborts: wrong.filter(({ ending }) => ending !== 'hang' && ABORTS.includes(ending)).length,
    hangs: wrong.filter(({ ending }) => ending === 'hang').length,
    example: example && `${example.ending}: ${example.stderr.trim().split('\n').slice(-5).join(' | ')}`,
  };
}

/** A line to a scenario, and one for all. */
export function exitTable(counts: readonly ExitCounts[]): string[] {
  const sum = (of: (count: ExitCounts) => number): number => counts.reduce((total, count) => total + of(count), 0);
  const cells = [
    ['scenario', 'expected', 'runs', 'right', 'aborts', 'hangs'],
    ...counts.map(({ scenario, ...count }) => [scenario.name, String(scenario.ending), ...numbers(count)]),
    [
      'all',
      '',
      ...numbers({
        runs: sum((c) => c.runs),
        right: sum((c) => c.right),
        aborts: sum((c) => c.aborts),
        hangs: sum((c) => c.hangs),
      }),
    ],
  ];
  const widths = cells[0]?.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0))) ?? [];
  return cells.map((row) =>
    row.map((cell, i) => (i < 2 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join('  '),
  );
}

const numbers = ({ runs, right, aborts, hangs }: Pick<ExitCounts, 'runs' | 'right' | 'aborts' | 'hangs'>): string[] =>
  [runs, right, aborts, hangs].map(String);
