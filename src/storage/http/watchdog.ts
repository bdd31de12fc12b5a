import { AttemptFailure } from './attemptFailure.ts';
import type { Answer } from './transport.ts';

/** The failure of a server that has sent nothing for too long. */
export function stalled(path: string, stallMs: number): AttemptFailure {
  return new AttemptFailure('STALLED', path, `the server has sent nothing for ${stallMs} ms`, {
    hint: 'Run again; raise stallMs if the server is that slow.',
    retries: Number.POSITIVE_INFINITY,
  });
}

/** Runs something once what has arrived is read: a thread that was busy sees its timers before its sockets. */
function afterInput(run: () => void): void {
  setImmediate(run);
}

/**
 * Runs something that a signal ends: the caller's, or one that says that it took too long.
 *
 * @throws the signal's reason, or `tooLong`
 */
export async function within<T>(
  ms: number,
  signal: AbortSignal,
  tooLong: () => Error,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<{ value: T; release: () => void }> {
  signal.throwIfAborted();
  const own = new AbortController();
  const forward = (): void => own.abort(signal.reason);
  signal.addEventListener('abort', forward, { once: true });
  const release = (): void => signal.removeEventListener('abort', forward);
  let done = false;
  const timer = setTimeout(() => {
    afterInput(() => {
      if (!done) own.abort(tooLong());
    });
  }, ms);
  try {
    return { value: await run(own.signal), release };
  } catch (error) {
    release();
    throw own.signal.aborted ? own.signal.reason : error;
  } finally {
    done = true;
    clearTimeout(timer);
  }
}

/** The chunks of a body; time in which the reader is away does not count as a stall. */
export async function* chunksOf(
  { body, path }: Pick<Answer, 'body' | 'path'>,
  stallMs: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  let waiting = true;
  let chunks = 0;
  const timer = setTimeout(() => {
    const before = chunks;
    afterInput(() => {
      if (waiting && chunks === before) body.destroy(stalled(path, stallMs));
    });
  }, stallMs);
  try {
    for await (const chunk of body as AsyncIterable<Uint8Array>) {
      waiting = false;
      chunks++;
      yield chunk;
      waiting = true;
      timer.refresh();
    }
  } finally {
    clearTimeout(timer);
  }
}
