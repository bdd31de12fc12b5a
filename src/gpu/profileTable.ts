import type { Ceilings } from './ceilings.ts';
import type { KernelTimes } from './profile.ts';

/** What one kernel did, as it compares with the device. */
export interface ProfileRow {
  /** Kernel and form. */
  readonly name: string;
  readonly calls: number;
  readonly milliseconds: number;
  /** Of the time of all kernels, 0 to 1. */
  readonly share: number;
  /** Counted from what has to be moved at the least; 0 where no time passed. */
  readonly gigabytesPerSecond: number;
  readonly gigaflopsPerSecond: number;
  /** Of the ceiling that it comes nearer to, 0 to 1; it may be above where caches hold what the kernel reads. */
  readonly ofCeiling: number;
  readonly ceiling: 'copy' | 'product';
}

/** Kernels in the order of `times`, each against the nearer of the device's ceilings. */
export function profileRows(times: readonly KernelTimes[], ceilings: Ceilings): ProfileRow[] {
  const all = times.reduce((sum, { seconds }) => sum + seconds, 0);
  const per = (amount: number, of: number): number => (of > 0 ? amount / of : 0);
  return times.map(({ name, dispatches, seconds, bytes, flops }) => {
    const [moved, computed] = [per(bytes, seconds), per(flops, seconds)];
    const ofCopy = per(moved, ceilings.copyBytesPerSecond);
    const ofProduct = per(computed, ceilings.flopsPerSecond);
    return {
      name,
      calls: dispatches,
      milliseconds: 1e3 * seconds,
      share: per(seconds, all),
      gigabytesPerSecond: moved / 1e9,
      gigaflopsPerSecond: computed / 1e9,
      ofCeiling: Math.max(ofCopy, ofProduct),
      ceiling: ofProduct > ofCopy ? 'product' : 'copy',
    };
  });
}

const HEAD = ['kernel', 'calls', 'ms', 'share', 'GB/s', 'GFLOP/s', 'of ceiling'];

/**
 * The table that `--profile` prints, a line to a kernel, then their sum and what the ceilings are.
 *
 *     const lines = profileTable(await gpu.profile.times(), await measureCeilings(gpu));
 */
export function profileTable(times: readonly KernelTimes[], ceilings: Ceilings): string[] {
  const rows = profileRows(times, ceilings);
  const sum = (of: (row: ProfileRow) => number): number => rows.reduce((total, row) => total + of(row), 0);
  const cells = [
    HEAD,
    ...rows.map((row) => [
      row.name,
      row.calls.toFixed(),
      row.milliseconds.toFixed(2),
      percent(row.share),
      figure(row.gigabytesPerSecond),
      figure(row.gigaflopsPerSecond),
      `${percent(row.ofCeiling)} ${row.ceiling}`,
    ]),
    ['all', sum(({ calls }) => calls).toFixed(), sum(({ milliseconds }) => milliseconds).toFixed(2)],
  ];
  const widths = HEAD.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, i) =>
        i === 0 || i === HEAD.length - 1 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0),
      )
      .join('  ')
      .trimEnd();
  return [
    ...cells.map(line),
    `ceilings measured here: copy ${figure(ceilings.copyBytesPerSecond / 1e9)} GB/s, ` +
      `product ${figure(ceilings.flopsPerSecond / 1e9)} GFLOP/s`,
  ];
}

const percent = (part: number): string => `${(100 * part).toFixed(1)} %`;

const figure = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toPrecision(3));
