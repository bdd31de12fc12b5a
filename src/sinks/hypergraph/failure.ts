import { OutputError, SluiceError } from '../../errors.ts';

/** What a worker that writes a database answers: errors lose their classes and members at a thread boundary. */
export type DatabaseAnswer<R> = { readonly done: R } | { readonly failure: DatabaseFailure };

interface DatabaseFailure {
  readonly message: string;
  readonly code: string;
  readonly hint?: string | undefined;
}

/** Does the work of a worker module. */
export async function answering<R>(work: () => Promise<R>): Promise<DatabaseAnswer<R>> {
  try {
    return { done: await work() };
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    return { failure: { message: error.message, code: error.code, hint: error.hint } };
  }
}

/**
 * What the worker has done.
 * @throws OutputError that names the file, with the code and hint of whatever went wrong
 */
export function requireDone<R>(answer: DatabaseAnswer<R>, name: string, file: string): R {
  if ('done' in answer) return answer.done;
  const { message, code, hint } = answer.failure;
  throw new OutputError(`${name} cannot be written: ${message}`, { code, path: file, hint });
}
