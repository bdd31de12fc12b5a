import { Observable } from 'rxjs';
import { Gate } from './gate.ts';
import { Inlet } from './inlet.ts';
import { openStage } from './stage.ts';

/** Values in chunks: what a source has read in one go. */
export type Chunks<T> = AsyncIterable<readonly T[]> | Iterable<readonly T[]>;

export interface PullOptions {
  /** Registers the source with the monitor under this name. Default: not registered. */
  readonly name?: string | undefined;
  /** Bytes it may hold: one chunk and its read buffers. */
  readonly holds?: number | undefined;
  /** What the source was given, for plans and digests. */
  readonly options?: unknown;
}

/**
 * The source of a gated flow: asks for the next chunk only when everything downstream has room.
 *
 * `chunks` is called once per subscription; its iterator is returned exactly once, also when the flow ends early, and
 * `signal` aborts then, so that a read under way can stop. The first value comes after `subscribe` has returned.
 * Anything the iterable throws fails the flow.
 *
 *     pull(async function* () { for (const file of files) yield await readRows(file); })
 */
export function pull<T>(chunks: (signal: AbortSignal) => Chunks<T>, options: PullOptions = {}): Observable<T> {
  return new Observable<T>((out) => {
    const abort = new AbortController();
    let ended = false;
    let wake: (() => void) | undefined;
    const poke = (): void => {
      const waiting = wake;
      wake = undefined;
      waiting?.();
    };
    const gate = new Gate(poke);
    const inlet = openSource(options);
    inlet.gate = gate;
    const opened = (): Promise<void> =>
      new Promise((resolve) => {
        wake = resolve;
      });

    async function run(): Promise<void> {
      // subscribers beside the first one (connect, share) are to see the first value too
      await undefined;
      if (out.closed) return;
      for await (const chunk of chunks(abort.signal)) {
        inlet.fill(chunk.length);
        for (const value of chunk) {
          while (!gate.open && !out.closed) await opened();
          if (out.closed) return;
          gate.next(out, value);
          inlet.leave();
          gate.breathe();
        }
        while (!gate.open && !out.closed) await opened();
        if (out.closed) return;
      }
      ended = true;
      gate.complete(out);
    }

    run().catch((error: unknown) => {
      ended = true;
      gate.error(out, error);
    });
    return () => {
      if (!ended) abort.abort();
      inlet.close();
      poke();
    };
  });
}

function openSource(options: PullOptions): Inlet {
  const { name, holds, options: given } = options;
  if (name === undefined) return new Inlet('pull', {});
  return openStage({ name, kind: 'source', room: {}, holds, weight: 0, options: given }, undefined);
}
