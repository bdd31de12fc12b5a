import braces from 'braces';
import { PipelineError } from '../errors.ts';
import type { Inputs } from './list.ts';

/** Names that one pattern may stand for. */
const MOST = 100_000;

/**
 * Inputs whose names hold ranges or choices in braces, one by one: `{000..012}` counts with as many digits, `{a,b}` is either.
 * Each is then looked for, so that none is missing without a word.
 *
 * @throws PipelineError `BAD_PATTERN` beyond 100,000 names
 */
export function shardNames(inputs: Inputs): readonly string[] {
  return (typeof inputs === 'string' ? [inputs] : inputs).flatMap((input) => {
    if (!input.includes('{')) return [input];
    try {
      return braces(input, { expand: true, rangeLimit: MOST, nodupes: true });
    } catch (error) {
      throw new PipelineError(`the pattern '${input}' stands for too many names`, {
        code: 'BAD_PATTERN',
        path: input,
        hint: `Give ${MOST} at most, or a glob such as *.tar.`,
        cause: error,
      });
    }
  });
}
