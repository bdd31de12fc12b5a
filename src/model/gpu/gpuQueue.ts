import type { DeviceResult, PassRequest } from '../devices/deviceProtocol.ts';
import type { GpuPass } from './gpuSession.ts';

/** What computes batches: see `GpuSession`. */
export interface BatchSession {
  /** Documents whose keys and values it has room for. */
  readonly slots: number;
  readonly batchTokens: number;
  run(passes: readonly GpuPass[]): Promise<DeviceResult[]>;
  /** Copies what lies in a slot out of the device. */
  store(slot: number): Promise<readonly Uint8Array[]>;
  restore(slot: number, stored: readonly Uint8Array[]): Promise<void>;
}

interface Waiting {
  readonly request: PassRequest;
  resolve(result: DeviceResult): void;
  reject(error: unknown): void;
}

/** A document between its first pass and its last. */
interface Carried {
  rows: number;
  /** Rows carried on in all. */
  written: number;
  priority: number;
  /** A pass of it is being computed. */
  busy: boolean;
  forgotten: boolean;
  slot?: number | undefined;
  stored?: readonly Uint8Array[] | undefined;
}

/** Batches on the device: one is computed, one lies ready, and of one the states are yet to be pooled. */
const IN_FLIGHT = 3;
/** Whoever read a result asks for the document's next pass within such a time, as a rule. */
const PATIENCE_MS = 10;

/**
 * Makes batches of the passes that wait, those of the smallest priority first, up to a budget of tokens; which passes
 * share a batch changes no bit of them. Where more documents are in progress than keys and values have slots for, those
 * of a document that waits for nothing move to this machine's memory.
 */
export class GpuQueue {
  readonly #session: BatchSession;
  readonly #waiting: Waiting[] = [];
  readonly #documents = new Map<number, Carried>();
  readonly #free: number[];
  #inFlight = 0;
  #filling = false;
  /** Something has changed since it was last seen what can be computed. */
  #changed = false;

  constructor(session: BatchSession) {
    this.#session = session;
    this.#free = Array.from({ length: session.slots }, (_, slot) => session.slots - 1 - slot);
  }

  /** Throws what the device throws, and where the document's rows that the pass continues are not there. */
  pass(request: PassRequest): Promise<DeviceResult> {
    return new Promise((resolve, reject) => {
      let place = this.#waiting.length;
      while (place > 0 && (this.#waiting[place - 1]?.request.priority ?? 0) > request.priority) place--;
      this.#waiting.splice(place, 0, { request, resolve, reject });
      void this.#fill();
    });
  }

  /** Gives up what is held for a document, as soon as no pass of it is computed. */
  forget(document: number): void {
    const carried = this.#documents.get(document);
    if (carried === undefined) return;
    carried.forgotten = true;
    // the device may yet write to its slot
    if (!carried.busy) this.#release(document, carried);
  }

  /** Passes that come in the same turn of the event loop are chosen from together. */
  async #fill(): Promise<void> {
    this.#changed = true;
    if (this.#filling) return;
    this.#filling = true;
    try {
      while (this.#changed) {
        this.#changed = false;
        await new Promise(setImmediate);
        while (this.#inFlight < IN_FLIGHT && this.#waiting.length > 0) {
          const batch = await this.#choose();
          if (batch.length === 0) break;
          void this.#run(batch);
        }
      }
    } catch (error) {
      for (const waiting of this.#waiting.splice(0)) waiting.reject(error);
    } finally {
      this.#filling = false;
    }
  }

  async #run(batch: readonly Waiting[]): Promise<void> {
    this.#inFlight++;
    try {
      const results = await this.#session.run(batch.map(({ request }) => this.#begun(request)));
      batch.forEach(({ request, resolve }, i) => {
        const result = results[i];
        if (result === undefined) throw new Error('a batch gave too few results');
        this.#settle(request, result);
        resolve(result);
      });
    } catch (error) {
      for (const { request, reject } of batch) {
        // what its slot holds now nobody knows
        const carried = this.#documents.get(request.document);
        if (carried !== undefined) this.#release(request.document, carried);
        reject(error);
      }
    } finally {
      this.#inFlight--;
      void this.#fill();
    }
  }

  #begun({ document, task }: PassRequest): GpuPass {
    const carried = this.#documents.get(document);
    if (carried === undefined) return { task, slot: undefined, past: 0, written: 0 };
    carried.busy = true;
    const { rows, written, slot } = carried;
    return { task, slot, past: task.pastRows === 0 ? 0 : rows, written };
  }

  #settle({ document, task }: PassRequest, { nextRows }: DeviceResult): void {
    const carried = this.#documents.get(document);
    if (carried === undefined) return;
    carried.busy = false;
    carried.rows = nextRows;
    carried.written += task.tokens.length;
    if (nextRows === 0 || carried.forgotten) this.#release(document, carried);
  }

  /** The next batch; none where all that wait need slots, and those will be free when a batch in flight is done. */
  async #choose(patient = true): Promise<Waiting[]> {
    const batch: Waiting[] = [];
    let tokens = 0;
    for (const waiting of [...this.#waiting]) {
      const { length } = waiting.request.task.tokens;
      if (batch.length > 0 && tokens + length > this.#session.batchTokens) break;
      if (!(await this.#admit(waiting.request))) continue;
      batch.push(waiting);
      tokens += length;
    }
    for (const waiting of batch) this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
    const chosen = batch.filter((waiting) => this.#isContinued(waiting));
    if (chosen.length > 0 || this.#inFlight > 0 || this.#waiting.length === 0) return chosen;
    if (batch.length > 0) return this.#choose(patient);
    if (patient) {
      // to move keys takes longer than it takes those who hold the slots to go on
      await new Promise((resolve) => setTimeout(resolve, PATIENCE_MS));
      return this.#choose(false);
    }
    return (await this.#makeRoom()) ? this.#choose(false) : [];
  }

  /** Whether a pass has the slot that it needs, or gets it. */
  async #admit({ document, priority, task }: PassRequest): Promise<boolean> {
    const known = this.#documents.get(document);
    if (known === undefined && (!task.carry || task.pastRows > 0)) return true;
    const carried = known ?? { rows: 0, written: 0, priority, busy: false, forgotten: false };
    carried.priority = priority;
    if (carried.slot !== undefined) return true;
    const slot = this.#free.pop();
    if (slot === undefined) return false;
    carried.slot = slot;
    this.#documents.set(document, carried);
    const { stored } = carried;
    if (stored !== undefined) {
      carried.stored = undefined;
      await this.#session.restore(slot, stored);
    }
    return true;
  }

  /** Without the rows that it continues, a pass would give other numbers: it fails. */
  #isContinued({ request: { document, task }, reject }: Waiting): boolean {
    const rows = this.#documents.get(document)?.rows ?? 0;
    if (task.pastRows === 0 || task.pastRows === rows) return true;
    reject(new Error(`a pass continues ${task.pastRows} rows of document ${document}, of which there are ${rows}`));
    return false;
  }

  /** Moves the keys and values of the least urgent document off the device. */
  async #makeRoom(): Promise<boolean> {
    const holders = [...this.#documents.values()].filter(({ slot }) => slot !== undefined);
    const victim = holders.reduce<Carried | undefined>(
      (least, one) => (least === undefined || one.priority >= least.priority ? one : least),
      undefined,
    );
    if (victim?.slot === undefined) return false;
    const { slot } = victim;
    const stored = await this.#session.store(slot);
    // it may have been given up meanwhile
    if (victim.slot === undefined) return true;
    victim.stored = stored;
    victim.slot = undefined;
    this.#free.push(slot);
    return true;
  }

  #release(document: number, carried: Carried): void {
    this.#documents.delete(document);
    if (carried.slot !== undefined) this.#free.push(carried.slot);
    carried.slot = undefined;
    carried.stored = undefined;
  }
}
