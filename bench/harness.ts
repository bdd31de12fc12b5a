/**
 * Benchmarks report ratios measured in one process: candidate and peer take turns round by round, so that whatever else
 * the machine does meets both alike. A bench file `bench/<name>.bench.ts` exports one function of type `BenchFile`.
 */

/** One line of `--json`. What does not apply is null. */
export interface Row {
  readonly bench: string;
  readonly case: string;
  readonly value: number;
  readonly unit: string;
  /** What it is compared with. */
  readonly peer: string | null;
  readonly peerValue: number | null;
  /** value / peerValue. */
  readonly ratio: number | null;
  /** The best that the machine allows, in the same unit. */
  readonly ceiling: number | null;
  /** value / ceiling. */
  readonly fraction: number | null;
}

/** How seconds become a figure. */
export interface Measure {
  readonly unit: string;
  of(seconds: number): number;
}

/** Microseconds for each of `count` items; lower is better. */
export const perItem = (count: number): Measure => ({ unit: 'us/item', of: (seconds) => (seconds / count) * 1e6 });

export interface Comparison {
  readonly case: string;
  readonly measure: Measure;
  /** One round; what it returns is awaited. */
  run(): unknown;
  readonly peer?: { readonly name: string; readonly measure?: Measure; run(): unknown } | undefined;
  readonly ceiling?: number | undefined;
  /** Timed rounds of each. Default and least: 9. */
  readonly rounds?: number | undefined;
  /** Rounds of each before that. Default: 3. */
  readonly warmUp?: number | undefined;
  /** `cpu`: of this process with all its threads; `wall` where the work is done elsewhere (a GPU). Default: `cpu`. */
  readonly clock?: 'cpu' | 'wall' | undefined;
  /** `min` where noise only ever adds, `median` where rounds differ by themselves. Default: `min`. */
  readonly statistic?: 'min' | 'median' | undefined;
}

/** A figure that a bench file measured by itself. */
export interface Figure {
  readonly case: string;
  readonly value: number;
  readonly unit: string;
  readonly peer?: string | null | undefined;
  readonly peerValue?: number | null | undefined;
  readonly ceiling?: number | null | undefined;
}

/** Reports through `bench`, or yields its figures. */
export type BenchFile = (bench: Bench) => Promise<void> | void | AsyncIterable<Figure>;

const LEAST_ROUNDS = 9;

/** What a bench file is given: measures, compares, reports. */
export class Bench {
  readonly name: string;
  readonly #report: (row: Row) => void;

  constructor(name: string, report: (row: Row) => void) {
    this.name = name;
    this.#report = report;
  }

  /** Times candidate and peer in turns and reports one row. */
  async compare(comparison: Comparison): Promise<Row> {
    const { run, peer, measure, ceiling, warmUp = 3, clock = 'cpu', statistic = 'min' } = comparison;
    const rounds = Math.max(LEAST_ROUNDS, comparison.rounds ?? LEAST_ROUNDS);
    const own: number[] = [];
    const others: number[] = [];
    for (let round = -warmUp; round < rounds; round++) {
      const seconds = await time(run, clock);
      const peerSeconds = peer === undefined ? undefined : await time(peer.run, clock);
      if (round < 0) continue;
      own.push(seconds);
      if (peerSeconds !== undefined) others.push(peerSeconds);
    }
    const pick = statistic === 'min' ? min : median;
    return this.report({
      case: comparison.case,
      value: measure.of(pick(own)),
      unit: measure.unit,
      ceiling,
      ...(peer === undefined ? {} : { peer: peer.name, peerValue: (peer.measure ?? measure).of(pick(others)) }),
    });
  }

  /** Reports one row as it is. */
  report(figure: Figure): Row {
    const { case: name, value, unit } = figure;
    const peer = figure.peer ?? null;
    const peerValue = figure.peerValue ?? null;
    const ceiling = figure.ceiling ?? null;
    const ratio = peerValue === null ? null : value / peerValue;
    const fraction = ceiling === null ? null : value / ceiling;
    const row: Row = { bench: this.name, case: name, value, unit, peer, peerValue, ratio, ceiling, fraction };
    this.#report(row);
    return row;
  }
}

/** Seconds that one round takes. */
export async function time(run: () => unknown, clock: 'cpu' | 'wall'): Promise<number> {
  if (clock === 'wall') {
    const start = performance.now();
    await run();
    return (performance.now() - start) / 1e3;
  }
  const start = process.cpuUsage();
  await run();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1e6;
}

export const min = (values: readonly number[]): number =>
  values.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** A row for people. */
export function line(row: Row): string {
  const parts = [row.bench.padEnd(10), row.case.padEnd(36), `${figure(row.value)} ${row.unit}`.padEnd(18)];
  if (row.peer !== null && row.peerValue !== null && row.ratio !== null) {
    parts.push(`${row.peer} ${figure(row.peerValue)}, x${row.ratio.toFixed(2)}`);
  }
  if (row.ceiling !== null && row.fraction !== null) {
    parts.push(`${(row.fraction * 100).toFixed(1)}% of ${figure(row.ceiling)}`);
  }
  return parts.join('  ').trimEnd();
}

function figure(value: number): string {
  return value === 0 || Math.abs(value) >= 1000 ? value.toFixed(0) : value.toPrecision(3);
}
