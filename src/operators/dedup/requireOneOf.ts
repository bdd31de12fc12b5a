import { PipelineError } from '../../errors.ts';

/** Throws PipelineError `BAD_OPTION` where an operator's option is none of those there are. */
export function requireOneOf(operator: string, option: string, value: string, known: readonly string[]): void {
  if (known.includes(value)) return;
  throw new PipelineError(`${operator}: there is no ${option} '${value}'`, {
    code: 'BAD_OPTION',
    hint: `known: ${known.join(', ')}`,
  });
}
