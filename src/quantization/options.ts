import { PipelineError } from '../errors.ts';

/** One of a few words, or the default. @throws PipelineError `BAD_OPTION` */
export function oneOf<T extends string>(
  scheme: string,
  option: string,
  value: unknown,
  allowed: readonly [T, ...T[]],
): T {
  if (value === undefined) return allowed[0];
  const found = allowed.find((one) => one === value);
  if (found !== undefined) return found;
  throw badOption(scheme, option, value, `one of ${allowed.join(', ')}`);
}

/** A whole number within bounds. @throws PipelineError `BAD_OPTION` */
export function wholeNumber(scheme: string, option: string, value: unknown, least: number, most: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
  const bounds = most === Number.MAX_SAFE_INTEGER ? `from ${least} on` : `${least} to ${most}`;
  throw badOption(scheme, option, value, `a whole number, ${bounds}`);
}

/** As {@link wholeNumber}, from 1 on; `auto`, which is the default, is left to the scheme. @throws PipelineError `BAD_OPTION` */
export function countOrAuto(
  scheme: string,
  option: string,
  value: unknown,
  most = Number.MAX_SAFE_INTEGER,
): number | 'auto' {
  return value === undefined || value === 'auto' ? 'auto' : wholeNumber(scheme, option, value, 1, most);
}

/**
 * How many components a transform keeps of so many columns; `auto` is half of them, rounded up.
 *
 * @throws PipelineError `BAD_OPTION` where there are more than columns
 */
export function componentsOf(scheme: string, components: number | 'auto', columns: number): number {
  if (components === 'auto') return Math.ceil(columns / 2);
  if (components <= columns) return components;
  throw new PipelineError(`${scheme}: ${components} components of ${columns} columns`, {
    code: 'BAD_OPTION',
    hint: `there are at most as many components as columns: ${columns}`,
  });
}

/** The share of magnitudes, in percent, that a range leaves within. Default: 99.9. @throws PipelineError `BAD_OPTION` */
export function percentileOf(scheme: string, value: unknown): number {
  if (value === undefined) return 99.9;
  if (typeof value === 'number' && value > 0 && value <= 100) return value;
  throw badOption(scheme, 'percentile', value, 'a number above 0, at most 100');
}

/** Refuses options that have no effect beside the others, unless they are as they are by default. @throws PipelineError `BAD_OPTION` */
export function refuseIdle(
  scheme: string,
  given: object,
  defaults: Readonly<Record<string, unknown>>,
  why: string,
): void {
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || !Object.hasOwn(defaults, name) || value === defaults[name]) continue;
    throw badOption(scheme, name, value, `left out: ${why}`);
  }
}

export function badOption(scheme: string, option: string, value: unknown, wanted: string): PipelineError {
  return new PipelineError(`${scheme}: ${option} is ${JSON.stringify(value)}, and should be ${wanted}`, {
    code: 'BAD_OPTION',
    hint: 'docs/quantization has the options of every scheme: schemes.md, and learned.md for those that learn',
  });
}
