import { from, isObservable, Observable, type ObservableInput, type OperatorFunction } from 'rxjs';
import { Deque } from './deque.ts';
import { currentGate, Gate, outsideDelivery } from './gate.ts';
import { FlowControlError } from './inlet.ts';
import { checkLimit } from './limit.ts';
import { pull } from './pull.ts';
import { attach, isPromiseLike, openStage, type StageOptions, subscribeWithin } from './stage.ts';

export interface FlatMapOptions extends StageOptions {
  /** Inner flows at once. Above 1 their values mix as time has it. Default: 1, in order, like `concatMap`. */
  readonly concurrency?: number | undefined;
}

/**
 * One value to a flow of its own (a file to its rows), for flows that take time. Asks for no more outer values than it
 * runs inner flows. Inner flows keep their own gates, so whatever is full downstream holds exactly the one that
 * delivers; iterables, async iterables and promises are pulled; an observable that emits synchronously while it is
 * subscribed (`of`) makes a burst. Inner flows belong to the monitor and the run of the outer one.
 *
 *     flatMap((file: string) => pull(() => rowsOf(file)))
 */
export function flatMap<A, B>(
  flowOf: (value: A) => ObservableInput<B>,
  options: FlatMapOptions = {},
): OperatorFunction<A, B> {
  const { concurrency = 1, strict, name = 'flatMap', kind = 'operator', weight = 0, ...rest } = options;
  checkLimit(name, { items: concurrency });
  const info = { ...rest, name, kind, weight, room: { items: concurrency } };

  return (source) =>
    new Observable<B>((out) => {
      const inlet = openStage(info, strict);
      const strictly = inlet.strict;
      const gate = new Gate(() => {});
      const waiting = new Deque<A>();
      let ended = false;
      let starting = false;

      function begin(value: A): void {
        let done = false;
        const leave = (): void => {
          inlet.running--;
          inlet.leave();
          next();
        };
        // a burst that filled a stage downstream keeps this flow's place until that stage has room
        const burst = new Gate(() => {
          if (done) leave();
        });
        inlet.running++;
        try {
          const flow = gated(flowOf(value));
          burst.run(() =>
            subscribeWithin(flow, out, {
              next(inner) {
                if (strictly && currentGate() === undefined) out.error(new FlowControlError(name, ' inside it'));
                else out.next(inner);
              },
              error: (error) => burst.error(out, error),
              complete() {
                done = true;
                if (burst.open) leave();
              },
            }),
          );
        } catch (error) {
          burst.error(out, error);
        }
      }

      function advance(): void {
        if (starting) return;
        starting = true;
        while (inlet.running < concurrency && waiting.size !== 0 && !out.closed) begin(waiting.shift());
        starting = false;
        if (ended && inlet.items === 0) gate.complete(out);
      }

      /** Inner flows are subscribed in the outer one's context, and are no part of the delivery that brings their value. */
      const next = (): void => outsideDelivery(() => gate.within(advance));

      attach(source, out, inlet, {
        next(value) {
          try {
            inlet.admit();
          } catch (error) {
            out.error(error);
            return;
          }
          waiting.push(value);
          next();
        },
        error: (error) => out.error(error),
        complete() {
          ended = true;
          next();
        },
      });

      return () => {
        waiting.clear();
        inlet.close();
      };
    });
}

/** What has no gate of its own gets one where that is possible: everything that can be pulled. */
function gated<B>(input: ObservableInput<B>): Observable<B> {
  if (isObservable(input)) return input;
  if (typeof input !== 'object' || input === null) return from(input);
  if (Array.isArray(input)) return pull<B>(() => [input]);
  if (isPromiseLike(input)) {
    // a rejection that comes when the flow has ended already is nobody's
    input.then(undefined, () => {});
    return pull(async function* () {
      yield [await input];
    });
  }
  if (Symbol.asyncIterator in input) {
    return pull(async function* () {
      for await (const value of input) yield [value];
    });
  }
  if (Symbol.iterator in input) {
    return pull(function* () {
      for (const value of input) yield [value];
    });
  }
  return from(input);
}
