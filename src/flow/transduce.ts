import { Observable, type OperatorFunction } from 'rxjs';
import { Deque } from './deque.ts';
import { currentGate, Gate } from './gate.ts';
import { Inlet } from './inlet.ts';
import { currentMonitor } from './monitor.ts';
import { attach, openStage, type StageOptions } from './stage.ts';

/** A synchronous stage with state, made anew for every subscription. */
export interface Step<A, B> {
  /** What one value becomes: any number of values, made one by one as there is room for them. */
  // biome-ignore lint/suspicious/noConfusingVoidType: a method that returns nothing must fit
  next(value: A): Iterable<B> | undefined | void;
  /** What is left at the end of the source. */
  // biome-ignore lint/suspicious/noConfusingVoidType: a method that returns nothing must fit
  flush?(): Iterable<B> | undefined | void;
}

/**
 * One value to any number of values, with state. What `next` and `flush` return is iterated lazily, only as fast as the
 * stages downstream have room, so a generator may fan out without end. It keeps one value in hand and holds its source
 * until that is used up. Anything a step throws fails the flow. Registered with the monitor when it has a name.
 *
 *     transduce(() => ({ *next(text: string) { yield* text.split('\n'); } }))
 */
export function transduce<A, B>(make: () => Step<A, B>, options: StageOptions = {}): OperatorFunction<A, B> {
  return (source) =>
    new Observable<B>((out) => {
      const step = make();
      const inlet = openStep(options);
      const gate = new Gate(drain);
      inlet.gate = gate;
      // only the rest of a burst that one delivery upstream made
      const waiting = new Deque<A>();
      let current: Iterator<B> | undefined;
      // whether the value that `current` comes from counts in the inlet
      let kept = false;
      // whether the source can be kept waiting: a pause would fail one that cannot
      let held = false;
      let ended = false;
      let flushed = false;
      let draining = false;
      let advancing = false;

      function advance(iterator: Iterator<B>): IteratorResult<B> {
        advancing = true;
        try {
          return iterator.next();
        } finally {
          advancing = false;
        }
      }

      function drain(): void {
        if (draining) return;
        draining = true;
        try {
          while (gate.open && !out.closed) {
            if (current !== undefined) {
              const iterator = current;
              const result = advance(iterator);
              if (out.closed) {
                if (!result.done) iterator.return?.();
                return;
              }
              if (!result.done) {
                gate.next(out, result.value);
                if (held) gate.breathe();
                continue;
              }
              current = undefined;
              if (kept) {
                kept = false;
                inlet.leave();
              }
            } else if (waiting.size !== 0) {
              kept = true;
              current = iterate(step.next(waiting.shift()));
            } else if (ended && !flushed) {
              flushed = true;
              current = iterate(step.flush?.());
            } else {
              if (flushed) gate.complete(out);
              return;
            }
          }
        } catch (error) {
          current = undefined;
          gate.error(out, error);
        } finally {
          draining = false;
        }
      }

      function next(value: A): void {
        held = currentGate() !== undefined;
        try {
          if (current !== undefined || waiting.size !== 0 || !gate.open || draining) {
            inlet.admit();
            waiting.push(value);
            drain();
            return;
          }
          // nothing is pending: hand on within this very delivery, and keep the value only if that does not use it up
          inlet.pass();
          const made = step.next(value);
          if (made === undefined) return;
          current = iterate(made);
          drain();
          if (current !== undefined && !kept) {
            kept = true;
            inlet.keep();
          }
        } catch (error) {
          gate.error(out, error);
        }
      }

      attach(source, out, inlet, {
        next,
        error: (error) => gate.error(out, error),
        complete() {
          ended = true;
          drain();
        },
      });

      return () => {
        const unfinished = current;
        current = undefined;
        waiting.clear();
        inlet.close();
        // a generator cannot be returned from within itself
        if (!advancing) unfinished?.return?.();
      };
    });
}

const NOTHING: readonly never[] = [];

// biome-ignore lint/suspicious/noConfusingVoidType: see Step
function iterate<B>(values: Iterable<B> | undefined | void): Iterator<B> {
  return (values ?? NOTHING)[Symbol.iterator]();
}

function openStep(options: StageOptions): Inlet {
  const { name, strict, kind = 'operator', weight = 0, ...rest } = options;
  const room = { items: 1 };
  // without a name it still learns from the monitor whether to be strict
  if (name === undefined) return new Inlet('transduce', room, strict ?? currentMonitor()?.strict ?? false);
  return openStage({ ...rest, name, kind, weight, room }, strict);
}
