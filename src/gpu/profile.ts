import type { Cost } from '../kernels/kernel.ts';
import type { Health } from './health.ts';
import type { Program } from './pipelines.ts';
import { MAP, USAGE } from './usage.ts';

/** Time and work of all dispatches of one kernel in one form. */
export interface KernelTimes {
  /** Kernel and form. */
  readonly name: string;
  readonly dispatches: number;
  /** On the device. */
  readonly seconds: number;
  /** What had to be moved and computed at the least. */
  readonly bytes: number;
  readonly flops: number;
}

interface Timed {
  readonly name: string;
  readonly cost: Cost;
}

/** Dispatches of one submission, each between two timestamps. */
export interface TimedSubmission {
  /** The pass that a dispatch is timed in. */
  pass(program: Program, sizes: Readonly<Record<string, number>>): GPUComputePassDescriptor;
  /** Adds the reading of all timestamps to the submission. */
  resolve(encoder: GPUCommandEncoder): void;
  /** Begins to read them, where the submission was accepted. */
  read(): void;
  /** Forgets them, where it was refused. */
  drop(): void;
}

const QUERY_BYTES = 8;

/** Times every dispatch with timestamp queries, in a pass of its own. */
export class Profile {
  readonly #health: Health;
  readonly #queries: GPUQuerySet;
  readonly #resolved: GPUBuffer;
  readonly #sums = new Map<string, { dispatches: number; nanoseconds: bigint; bytes: number; flops: number }>();
  readonly #reading = new Set<Promise<void>>();

  /** @param dispatches of one submission, at most */
  constructor(device: GPUDevice, health: Health, dispatches: number) {
    const count = 2 * dispatches;
    this.#health = health;
    this.#queries = device.createQuerySet({ type: 'timestamp', count });
    const usage = USAGE.queryResolve | USAGE.copySource;
    this.#resolved = health.createBuffer({ size: count * QUERY_BYTES, usage, label: 'timestamps' });
  }

  submission(): TimedSubmission {
    const timed: Timed[] = [];
    let stamps: GPUBuffer | undefined;
    return {
      pass: ({ kernel, form }, sizes) => {
        const first = 2 * timed.length;
        timed.push({ name: `${kernel.name}.${form.name}`, cost: kernel.cost(sizes) });
        return {
          timestampWrites: {
            querySet: this.#queries,
            beginningOfPassWriteIndex: first,
            endOfPassWriteIndex: first + 1,
          },
        };
      },
      resolve: (encoder) => {
        if (timed.length === 0) return;
        const size = 2 * timed.length * QUERY_BYTES;
        stamps = this.#health.createBuffer({ size, usage: USAGE.mapRead | USAGE.copyTarget, label: 'timestamps' });
        encoder.resolveQuerySet(this.#queries, 0, 2 * timed.length, this.#resolved, 0);
        encoder.copyBufferToBuffer(this.#resolved, 0, stamps, 0, size);
      },
      read: () => {
        if (stamps === undefined) return;
        const reading = this.#read(stamps, timed).finally(() => this.#reading.delete(reading));
        this.#reading.add(reading);
      },
      drop: () => stamps?.destroy(),
    };
  }

  /** Sums by kernel, the longest first, of all that was submitted so far, after it was done. */
  async times(): Promise<KernelTimes[]> {
    await Promise.all(this.#reading);
    return [...this.#sums]
      .map(([name, { nanoseconds, ...sum }]) => ({ name, seconds: Number(nanoseconds) / 1e9, ...sum }))
      .sort((a, b) => b.seconds - a.seconds);
  }

  /** Forgets what was submitted so far. */
  async reset(): Promise<void> {
    await Promise.all(this.#reading);
    this.#sums.clear();
  }

  async #read(buffer: GPUBuffer, timed: readonly Timed[]): Promise<void> {
    try {
      await this.#health.map(buffer, MAP.read);
      const stamps = new BigUint64Array(buffer.getMappedRange());
      for (const [i, { name, cost }] of timed.entries()) {
        const [from = 0n, to = 0n] = stamps.subarray(2 * i, 2 * i + 2);
        this.#add(name, cost, from, to);
      }
    } catch {
      // work that was lost has no times; whoever waits for it hears why
    } finally {
      buffer.destroy();
    }
  }

  #add(name: string, cost: Cost, from: bigint, to: bigint): void {
    const sum = this.#sums.get(name) ?? { dispatches: 0, nanoseconds: 0n, bytes: 0, flops: 0 };
    sum.dispatches++;
    // a clock that was set back counts as no time
    sum.nanoseconds += to > from ? to - from : 0n;
    sum.bytes += cost.bytes;
    sum.flops += cost.flops;
    this.#sums.set(name, sum);
  }
}
