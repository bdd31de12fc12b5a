import { SluiceError } from '../errors.ts';
import { currentGate, type Gate, type Holdable } from './gate.ts';
import { checkLimit, checkSize, type Limit } from './limit.ts';

export type { Limit } from './limit.ts';

/** A value arrived that nobody can hold back: an operator or a source outside flow control stands before the stage. */
export class FlowControlError extends SluiceError {
  override name = 'FlowControlError';
  readonly stage: string;

  constructor(stage: string, problem: string) {
    super(`${stage}: a value arrived from an ungated flow${problem}`, {
      code: 'UNGATED',
      hint:
        'an asynchronous RxJS operator (mergeMap, concatMap, delay, observeOn) or a push source stands before this stage; ' +
        'use mapAsync, flatMap or pull instead (docs/flow-control.md)',
    });
    this.stage = stage;
  }
}

/** The share of its limit that a stage must be down to before it lets go: one wake-up then serves many values. */
const LOW = 0.5;

/**
 * The bounded room in front of a stage: counts what is inside, and holds every gate that delivers into a full room
 * until the room is half empty. Its fields are what a monitor reads to explain a flow that stands still.
 */
export class Inlet {
  readonly name: string;
  readonly limit: Limit;
  /** Values inside now: waiting, at work, or done and not yet handed on. */
  items = 0;
  /** Their bytes. */
  bytes = 0;
  peakItems = 0;
  peakBytes = 0;
  /** Values delivered since the start. */
  received = 0;
  /** Their bytes. */
  receivedBytes = 0;
  /** Tasks at work now. */
  running = 0;
  /** True once the stage is torn down: its flow has completed, failed or been left. */
  closed = false;
  /** Refuse the first value without a gate, instead of the first that finds the room full. */
  strict: boolean;
  /** The gate through which this stage hands on. */
  gate: Gate | undefined;
  readonly #maxItems: number;
  readonly #maxBytes: number;
  readonly #held = new Set<Holdable>();

  constructor(name: string, limit: Limit, strict = false) {
    checkLimit(name, limit);
    this.name = name;
    this.limit = limit;
    this.strict = strict;
    this.#maxItems = limit.items ?? Number.POSITIVE_INFINITY;
    this.#maxBytes = limit.bytes ?? Number.POSITIVE_INFINITY;
  }

  get full(): boolean {
    return this.items >= this.#maxItems || this.bytes >= this.#maxBytes;
  }

  /** Gates that this stage holds: emitters upstream that wait for it. */
  get held(): number {
    return this.#held.size;
  }

  /** True while a stage downstream holds this one. */
  get blocked(): boolean {
    return this.gate !== undefined && !this.gate.open;
  }

  /** Takes in a value that is being delivered. Throws FlowControlError where nobody can be held for it. */
  admit(bytes = 0): void {
    this.pass(bytes);
    this.keep(bytes);
  }

  /** Counts a value that is being delivered; it is not inside unless `keep` is called too. */
  pass(bytes = 0): void {
    if (currentGate() === undefined && (this.strict || this.full)) {
      throw new FlowControlError(this.name, this.full ? ' and the stage is full' : '');
    }
    this.receivedBytes += checkSize(this.name, bytes);
    this.received++;
  }

  /** Puts the value that is being delivered inside, and holds its emitter when the room is now full. */
  keep(bytes = 0): void {
    this.items++;
    this.bytes += bytes;
    if (this.items > this.peakItems) this.peakItems = this.items;
    if (this.bytes > this.peakBytes) this.peakBytes = this.bytes;
    if (!this.full) return;
    const gate = currentGate();
    // a value that the stage's own output brought about must not stop that output
    if (gate !== undefined && gate !== this.gate && !this.#held.has(gate)) {
      this.#held.add(gate);
      gate.hold();
    }
  }

  /** Puts values inside that were not delivered but read: what a source has in hand. */
  fill(items: number): void {
    this.items += items;
    this.received += items;
    if (this.items > this.peakItems) this.peakItems = this.items;
  }

  /** A value has been handed on; opens the held gates once the room is half empty. */
  leave(bytes = 0): void {
    this.items--;
    this.bytes = this.items === 0 ? 0 : this.bytes - bytes;
    if (this.#held.size === 0) return;
    if (this.items <= this.#maxItems * LOW && this.bytes <= this.#maxBytes * LOW) this.#letGo();
  }

  /** The stage is torn down: it lets go of every gate. */
  close(): void {
    this.closed = true;
    this.#letGo();
  }

  #letGo(): void {
    if (this.#held.size === 0) return;
    const gates = [...this.#held];
    this.#held.clear();
    for (const gate of gates) gate.release();
  }
}
