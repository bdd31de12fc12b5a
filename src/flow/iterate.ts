import { type Observable, Subscription } from 'rxjs';
import { capture } from './carry.ts';
import { Deque } from './deque.ts';
import type { Inlet } from './inlet.ts';
import { checkCounted, checkLimit, type Limit } from './limit.ts';
import { attach, openStage, type StageOptions } from './stage.ts';

export interface IterateOptions<T> extends StageOptions {
  /** Values waiting or in the consumer's hands. Default: 1. */
  readonly room?: Limit | undefined;
  /** Bytes of one value; needed with `room.bytes`. Default: 0. */
  readonly sizeOf?: ((value: T) => number) | undefined;
}

interface Caller<T> {
  resolve(result: IteratorResult<T, undefined>): void;
  reject(error: unknown): void;
}

/**
 * Leaves RxJS: `for await` over a gated flow, with one value in hand (or `room`) and nothing queued beyond it. The flow
 * is subscribed by the first `next`, in the context in which `iterate` was called; leaving the loop unsubscribes it.
 * Values that came before an error are delivered before it.
 *
 *     for await (const patch of iterate(flow)) await upload(patch);
 */
export function iterate<T>(
  flow: Observable<T>,
  options: IterateOptions<T> = {},
): AsyncIterableIterator<T, undefined, undefined> {
  const { room = {}, sizeOf, strict, name = 'iterate', kind = 'sink', ...rest } = options;
  checkLimit(name, room);
  checkCounted(name, room, sizeOf);
  const info = { ...rest, name, kind, room: { items: room.items ?? 1, bytes: room.bytes } };
  const within = capture();
  const subscription = new Subscription();
  const queue = new Deque<{ readonly value: T; readonly bytes: number }>();
  const inHand = new Deque<number>();
  const callers = new Deque<Caller<T>>();
  let inlet: Inlet | undefined;
  let failure: { readonly error: unknown } | undefined;
  let ended = false;

  function begin(): Inlet {
    const opened = openStage(info, strict);
    inlet = opened;
    const fail = (error: unknown): void => {
      failure = { error };
      end();
    };
    attach(flow, subscription, opened, {
      next(value) {
        try {
          const bytes = sizeOf?.(value) ?? 0;
          opened.admit(bytes);
          queue.push({ value, bytes });
        } catch (error) {
          fail(error);
          return;
        }
        serve();
      },
      error: fail,
      complete: end,
    });
    return opened;
  }

  function end(): void {
    ended = true;
    subscription.unsubscribe();
    inlet?.close();
    serve();
  }

  function serve(): void {
    while (callers.size !== 0) {
      if (queue.size !== 0) {
        const { value, bytes } = queue.shift();
        callers.shift().resolve({ done: false, value });
        // whoever waits already has asked for the value after this one
        if (callers.size === 0) inHand.push(bytes);
        else inlet?.leave(bytes);
      } else if (failure !== undefined) {
        callers.shift().reject(failure.error);
        failure = undefined;
      } else if (ended) {
        callers.shift().resolve({ done: true, value: undefined });
      } else {
        return;
      }
    }
  }

  return {
    next() {
      const result = new Promise<IteratorResult<T, undefined>>((resolve, reject) => callers.push({ resolve, reject }));
      if (inlet === undefined && !ended) within(begin);
      else if (inHand.size !== 0) inlet?.leave(inHand.shift());
      serve();
      return result;
    },
    return() {
      queue.clear();
      failure = undefined;
      end();
      return Promise.resolve({ done: true, value: undefined });
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
