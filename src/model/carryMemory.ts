import type { ModelConfig } from './config.ts';

/** A wider window is made room for piece by piece, as far as it is filled. */
const MOST_BYTES = 256 << 20;

/** Memory for the keys and values that a document carries from piece to piece. */
export interface CarryMemory {
  /** Room for a window: f32[2 * layers * kvHeads * (window - 1) * headDim]; undefined where that would be too much. */
  take(): Float32Array<SharedArrayBuffer> | undefined;
  /** Gives it back; nothing refers to it any more. */
  give(memory: Float32Array<SharedArrayBuffer>): void;
}

/** Keeps what documents were done with for those that follow: shared memory is collected late, by every thread that saw it. */
export class CarryPool implements CarryMemory {
  readonly #values: number;
  readonly #most: number;
  readonly #free: Float32Array<SharedArrayBuffer>[] = [];

  /** @param most pieces of memory to keep */
  constructor({ layers, kvHeads, headDim, window }: ModelConfig, most: number) {
    this.#values = 2 * layers * kvHeads * headDim * (window - 1);
    this.#most = most;
  }

  take(): Float32Array<SharedArrayBuffer> | undefined {
    if (4 * this.#values > MOST_BYTES) return undefined;
    return this.#free.pop() ?? new Float32Array(new SharedArrayBuffer(4 * this.#values));
  }

  give(memory: Float32Array<SharedArrayBuffer>): void {
    if (this.#free.length < this.#most) this.#free.push(memory);
  }
}

/** The two pieces of memory of one document, in turns: a pass reads one and writes the other. */
export class CarryTurns {
  readonly #memory: CarryMemory | undefined;
  readonly #lent: (Float32Array<SharedArrayBuffer> | undefined)[] = [];
  #turn = 0;

  constructor(memory: CarryMemory | undefined) {
    this.#memory = memory;
  }

  /** Where the next pass writes to; undefined where nobody gave memory. */
  next(): Float32Array<SharedArrayBuffer> | undefined {
    if (this.#memory === undefined) return undefined;
    const turn = this.#turn++ % 2;
    const lent = this.#lent[turn] ?? this.#memory.take();
    if (lent !== undefined) this.#lent[turn] = lent;
    return lent;
  }

  /** Gives all back; no pass may be under way. */
  end(): void {
    for (const memory of this.#lent.splice(0)) if (memory !== undefined) this.#memory?.give(memory);
  }
}
