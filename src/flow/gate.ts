/**
 * Flow control for plain RxJS 7 observables, hop by hop.
 *
 * `subscriber.next(value)` is synchronous: when it returns, every synchronous operator downstream has run, and the
 * value was dropped, consumed, or put in the queue of an asynchronous stage. So an emitter needs to learn one thing
 * only: whether such a queue is full. It names its gate in one slot for the length of each `next` call; a stage that
 * queues the value reads the slot and, while it is full, holds that gate. Nobody emits through a gate that is held.
 */
import type { Subscriber } from 'rxjs';
import { capture, realmSlot } from './carry.ts';

/** The part of a gate that another copy of the package may call. */
export interface Holdable {
  hold(): void;
  release(): void;
}

const ambient: { gate: Holdable | undefined } = realmSlot('sluice.flow.v1', { gate: undefined });

/** The gate of the value that is being delivered right now; none where an operator outside flow control delivers it. */
export function currentGate(): Holdable | undefined {
  return ambient.gate;
}

/** Runs what is not part of a delivery although one is under way: a task that a stage starts, an inner subscription. */
export function outsideDelivery<T>(run: () => T): T {
  const outer = ambient.gate;
  ambient.gate = undefined;
  try {
    return run();
  } finally {
    ambient.gate = outer;
  }
}

/** Milliseconds that flows may use before timers and sockets get their turn. */
const SLICE = 10;
/** Values between two looks at the clock, at most. */
const STRIDE = 256;

let turnBegan = 0;

/** Where one emitter hands its values on: closed while anyone downstream holds it. */
export class Gate implements Holdable {
  #holds = 0;
  #stride = 1;
  #count = 0;
  #looked = 0;
  readonly #onOpen: () => void;
  /** Runs something with the context in place in which the gate was made: its flow's monitor and run. */
  readonly within = capture();

  /** `onOpen` runs each time the last hold is released. */
  constructor(onOpen: () => void) {
    this.#onOpen = onOpen;
  }

  get open(): boolean {
    return this.#holds === 0;
  }

  hold(): void {
    this.#holds++;
  }

  release(): void {
    if (--this.#holds === 0) this.#onOpen();
  }

  /** Delivers one value. Call it only while the gate is open. */
  next<T>(out: Subscriber<T>, value: T): void {
    const outer = ambient.gate;
    ambient.gate = this;
    try {
      out.next(value);
    } finally {
      ambient.gate = outer;
    }
  }

  /** Completes `out`; what operators flush now, and flows they subscribe now, belong to this gate's flow. */
  complete(out: Subscriber<unknown>): void {
    this.run(() => this.within(() => out.complete()));
  }

  /** Fails `out`, with the flow's own context in place for whoever catches the error and subscribes another flow. */
  error(out: Subscriber<unknown>, error: unknown): void {
    this.within(() => out.error(error));
  }

  /** Runs something that may deliver several values at once, all through this gate. */
  run<T>(deliver: () => T): T {
    const outer = ambient.gate;
    ambient.gate = this;
    try {
      return deliver();
    } finally {
      ambient.gate = outer;
    }
  }

  /**
   * To be called by whoever makes values, after each one: closes the gate until the event loop has turned once when
   * flows have used up their slice. Without it a flow that only ever waits for microtasks starves timers and sockets.
   */
  breathe(): void {
    if (++this.#count < this.#stride) return;
    this.#count = 0;
    const now = performance.now();
    // slow values are timed one by one, fast ones by the hundred
    const elapsed = now - this.#looked;
    this.#looked = now;
    if (elapsed < SLICE / 16) this.#stride = Math.min(this.#stride * 2, STRIDE);
    else if (elapsed > SLICE / 8) this.#stride = 1;
    if (now - turnBegan < SLICE) return;
    this.hold();
    setImmediate(() => {
      turnBegan = performance.now();
      this.release();
    });
  }
}
