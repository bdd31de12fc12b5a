/** Milliseconds for which whoever holds a place may leave it unused while others wait for one. */
const LEND_AFTER = 20;

interface Waiter {
  enter(): void;
}

/**
 * Places for requests that are open at the same time, given away in the order in which they are asked for.
 *
 * A stream whose reader is away for long lends its place to whoever waits: a reader that opens more streams than there
 * are places, and reads them in turns, would wait for ever otherwise.
 */
export class RequestGate {
  readonly #places: number;
  readonly #holders = new Set<Place>();
  /** Sets keep the order of insertion, and let go of a waiter in the middle. */
  readonly #waiting = new Set<Waiter>();
  #lending: NodeJS.Timeout | undefined;

  constructor(places: number) {
    this.#places = places;
  }

  /** A place, once there is one. Throws the signal's reason when it is aborted before that. */
  async enter(signal: AbortSignal | undefined): Promise<Place> {
    const place = new Place(this);
    await this.take(place, signal);
    return place;
  }

  /** For `Place` alone. */
  async take(place: Place, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    if (this.#holders.size >= this.#places) await this.#wait(signal, place);
    else this.#holders.add(place);
  }

  holds(place: Place): boolean {
    return this.#holders.has(place);
  }

  give(place: Place): void {
    this.#holders.delete(place);
    this.#admit();
  }

  #wait(signal: AbortSignal | undefined, place: Place): Promise<void> {
    return new Promise((resolve, reject) => {
      const abort = () => {
        this.#waiting.delete(waiter);
        this.#watch();
        reject(signal?.reason);
      };
      const waiter = {
        enter: () => {
          signal?.removeEventListener('abort', abort);
          this.#holders.add(place);
          resolve();
        },
      };
      signal?.addEventListener('abort', abort, { once: true });
      this.#waiting.add(waiter);
      this.#watch();
    });
  }

  #admit(): void {
    for (const waiter of this.#waiting) {
      if (this.#holders.size >= this.#places) break;
      this.#waiting.delete(waiter);
      waiter.enter();
    }
    this.#watch();
  }

  /** Looks for places that nobody uses, as long as somebody waits. */
  #watch(): void {
    if (this.#waiting.size === 0) {
      clearTimeout(this.#lending);
      this.#lending = undefined;
      return;
    }
    this.#lending ??= setTimeout(() => {
      this.#lending = undefined;
      const before = performance.now() - LEND_AFTER;
      for (const holder of this.#holders) if (holder.restingSince <= before) this.#holders.delete(holder);
      this.#admit();
    }, LEND_AFTER);
  }
}

/** The right to have one request open. */
export class Place {
  readonly #gate: RequestGate;
  /** When its holder last stopped using it; infinite while it is used. */
  restingSince = Number.POSITIVE_INFINITY;

  constructor(gate: RequestGate) {
    this.#gate = gate;
  }

  /** The holder does not use it for now. */
  rest(): void {
    this.restingSince = performance.now();
  }

  /** The holder uses it again; a promise where it was lent meanwhile. */
  resume(signal: AbortSignal | undefined): Promise<void> | undefined {
    this.restingSince = Number.POSITIVE_INFINITY;
    return this.#gate.holds(this) ? undefined : this.#gate.take(this, signal);
  }

  leave(): void {
    this.#gate.give(this);
  }
}
