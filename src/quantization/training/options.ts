import { PipelineError } from '../../errors.ts';

/** @throws PipelineError `BAD_OPTION` where an option of a scheme is no whole number from 1 to `most` */
export function requireCount(scheme: string, option: string, value: unknown, most: number): void {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= most) return;
  throw new PipelineError(`${scheme}: ${option} is ${String(value)}`, {
    code: 'BAD_OPTION',
    hint: `give a whole number from 1 ${most === Number.MAX_SAFE_INTEGER ? 'on' : `to ${most}`}`,
  });
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
