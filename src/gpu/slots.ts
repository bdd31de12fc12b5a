import type { Health } from './health.ts';

/** A place for a buffer that is made when it is needed. */
export interface Slot {
  buffer?: GPUBuffer | undefined;
}

/** Lends a few slots, one owner each, in the order of asking; the one that was given back longest ago first. */
export class Slots {
  readonly #health: Health;
  readonly #free: Slot[];
  readonly #waiting: ((slot: Slot) => void)[] = [];

  constructor(health: Health, count: number) {
    this.#health = health;
    this.#free = Array.from({ length: count }, () => ({}));
  }

  /** Throws DeviceError `DEVICE_LOST`, also where whoever holds a slot never gives it back. */
  async take(): Promise<Slot> {
    this.#health.check();
    const slot = this.#free.shift();
    return slot ?? this.#health.orLost(new Promise((resolve) => this.#waiting.push(resolve)));
  }

  give(slot: Slot): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free.push(slot);
    else next(slot);
  }

  /** Gives a slot back without its buffer. */
  empty(slot: Slot): void {
    slot.buffer?.destroy();
    slot.buffer = undefined;
    this.give(slot);
  }
}
