import { PipelineError } from '../errors.ts';

/** Types are stripped: a string has a length too, and would be trained on or encoded as bytes that are all zero. */
export function requireBytes(of: string, bytes: unknown): void {
  if (bytes instanceof Uint8Array) return;
  throw new PipelineError(`${of} takes bytes, and ${bytes === null ? 'null' : `a ${typeof bytes}`} was given`, {
    code: 'BAD_OPTION',
    hint: 'such as Buffer.from(text)',
  });
}
