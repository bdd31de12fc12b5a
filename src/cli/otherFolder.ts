import path from 'node:path';
import { UsageError } from '../errors.ts';

/**
 * An output that is written over its own input is lost.
 * @throws UsageError `SAME_FOLDER` where the output folder is an input, or lies above or below one
 */
export function requireOtherFolder(inputs: readonly string[], output: string): void {
  const target = path.resolve(output);
  const isWithin = (inner: string, outer: string): boolean => inner === outer || inner.startsWith(outer + path.sep);
  const same = inputs.find((input) => isWithin(target, path.resolve(input)) || isWithin(path.resolve(input), target));
  if (same === undefined) return;
  throw new UsageError(`--output ${output} and the input '${same}' are not apart`, {
    code: 'SAME_FOLDER',
    path: output,
    hint: 'give a folder beside the input',
  });
}
