import { Observable, type OperatorFunction } from 'rxjs';
import { Deque } from './deque.ts';
import { Gate, outsideDelivery } from './gate.ts';
import { checkCounted, checkLimit, type Limit } from './limit.ts';
import { attach, isPromiseLike, openStage, type StageOptions } from './stage.ts';

export interface MapAsyncOptions<A> extends StageOptions {
  /** Tasks at work at once. Default: 1. */
  readonly concurrency?: number | undefined;
  /** Values inside the stage: waiting, at work, or done and not yet handed on. Default: twice the concurrency. */
  readonly room?: Limit | undefined;
  /**
   * Bytes of one value, counted until its result is handed on: where results are larger than what they are made from,
   * count the result. Needed with `room.bytes`. Default: 0.
   */
  readonly sizeOf?: ((value: A) => number) | undefined;
  /** Hand results on in the order of their values. Without it output depends on timing. Default: true. */
  readonly ordered?: boolean | undefined;
}

const WAITING = 0;
const RUNNING = 1;
const DONE = 2;

interface Task<A, B> {
  readonly bytes: number;
  state: typeof WAITING | typeof RUNNING | typeof DONE;
  input: A | undefined;
  output: B | undefined;
}

/**
 * One value to one result, through a task that may take time. At most `concurrency` tasks run; while the room is full
 * whoever delivers is held. A task that throws or rejects fails the flow at once. `signal` aborts when the flow ends
 * before the task does; what such a task still returns is dropped.
 *
 *     mapAsync((path: string, signal) => readFile(path, { signal }), { concurrency: 4, room: { items: 8 } })
 */
export function mapAsync<A, B>(
  task: (value: A, signal: AbortSignal) => PromiseLike<B> | B,
  options: MapAsyncOptions<A> = {},
): OperatorFunction<A, B> {
  const {
    concurrency = 1,
    room = {},
    sizeOf,
    ordered = true,
    strict,
    name = 'mapAsync',
    kind = 'operator',
    ...rest
  } = options;
  checkLimit(name, { items: concurrency });
  checkLimit(name, room);
  checkCounted(name, room, sizeOf);
  const info = { ...rest, name, kind, room: { items: room.items ?? concurrency * 2, bytes: room.bytes } };

  return (source) =>
    new Observable<B>((out) => {
      const inlet = openStage(info, strict);
      const gate = new Gate(drain);
      inlet.gate = gate;
      const abort = new AbortController();
      // in the order of input: done, at work, waiting
      const tasks = new Deque<Task<A, B>>();
      const waiting = new Deque<Task<A, B>>();
      // without order, tasks move here as they finish
      const ready = ordered ? tasks : new Deque<Task<A, B>>();
      let ended = false;
      let draining = false;

      function finish(done: Task<A, B>, output: B): void {
        done.output = output;
        done.state = DONE;
        inlet.running--;
        if (!ordered) ready.push(done);
      }

      function begin(next: Task<A, B>): void {
        // an A, because the task was waiting
        const input = next.input as A;
        next.input = undefined;
        next.state = RUNNING;
        inlet.running++;
        const result = task(input, abort.signal);
        if (!isPromiseLike(result)) {
          finish(next, result);
          return;
        }
        result.then(
          (output) => {
            if (out.closed) return;
            finish(next, output);
            start();
            drain();
          },
          (error) => gate.error(out, error),
        );
      }

      function startWaiting(): void {
        try {
          while (inlet.running < concurrency && waiting.size !== 0 && !out.closed) begin(waiting.shift());
        } catch (error) {
          gate.error(out, error);
        }
      }

      function start(): void {
        if (inlet.running < concurrency && waiting.size !== 0) outsideDelivery(startWaiting);
      }

      function drain(): void {
        if (draining) return;
        draining = true;
        try {
          while (gate.open && !out.closed) {
            const head = ready.peek();
            if (head?.state !== DONE) {
              if (ended && inlet.items === 0) gate.complete(out);
              return;
            }
            ready.shift();
            // a B, because the task is done
            gate.next(out, head.output as B);
            inlet.leave(head.bytes);
          }
        } finally {
          draining = false;
        }
      }

      attach(source, out, inlet, {
        next(value) {
          try {
            const added: Task<A, B> = { bytes: sizeOf?.(value) ?? 0, state: WAITING, input: value, output: undefined };
            inlet.admit(added.bytes);
            if (ordered) tasks.push(added);
            waiting.push(added);
          } catch (error) {
            gate.error(out, error);
            return;
          }
          start();
          drain();
        },
        error: (error) => gate.error(out, error),
        complete() {
          ended = true;
          drain();
        },
      });

      return () => {
        if (inlet.running !== 0) abort.abort();
        tasks.clear();
        waiting.clear();
        ready.clear();
        inlet.close();
      };
    });
}
