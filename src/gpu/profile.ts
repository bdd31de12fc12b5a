import type { Cost } from '../kernels/kernel.ts';
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

/** Timestamps of one submission: two for each dispatch, and no more than a query set may have. */
const MOST_QUERIES = 512;
const QUERY_BYTES = 8;

interface Timed {
  readonly name: string;
  readonly cost: Cost;
}

/** Times every dispatch with timestamp queries, in a pass of its own. */
export class Profile {
  readonly #device: GPUDevice;
  readonly #queries: GPUQuerySet;
  readonly #resolved: GPUBuffer;
  readonly #sums = new Map<string, { dispatches: number; nanoseconds: bigint; bytes: number; flops: number }>();
  readonly #reading = new Set<Promise<void>>();
  #timed: Timed[] = [];
  #buffer: GPUBuffer | undefined;

  constructor(device: GPUDevice) {
    this.#device = device;
    this.#queries = device.createQuerySet({ type: 'timestamp', count: MOST_QUERIES });
    const usage = USAGE.queryResolve | USAGE.copySource;
    this.#resolved = device.createBuffer({ size: MOST_QUERIES * QUERY_BYTES, usage, label: 'timestamps' });
  }

  /** The pass that one dispatch is timed in. */
  timed({ kernel, form }: Program, sizes: Readonly<Record<string, number>>): GPUComputePassDescriptor {
    const first = 2 * this.#timed.length;
    this.#timed.push({ name: `${kernel.name}.${form.name}`, cost: kernel.cost(sizes) });
    return {
      timestampWrites: {
        querySet: this.#queries,
        beginningOfPassWriteIndex: first,
        endOfPassWriteIndex: first + 1,
      },
    };
  }

  /** Adds the reading of all times to the submission. */
  resolve(encoder: GPUCommandEncoder): void {
    const count = 2 * this.#timed.length;
    if (count === 0) return;
    const size = count * QUERY_BYTES;
    this.#buffer = this.#device.createBuffer({ size, usage: USAGE.mapRead | USAGE.copyTarget, label: 'timestamps' });
    encoder.resolveQuerySet(this.#queries, 0, count, this.#resolved, 0);
    encoder.copyBufferToBuffer(this.#resolved, 0, this.#buffer, 0, size);
  }

  submitted(): void {
    const [buffer, timed] = [this.#buffer, this.#timed];
    this.#buffer = undefined;
    this.#timed = [];
    if (buffer === undefined) return;
    const reading = this.#read(buffer, timed).finally(() => this.#reading.delete(reading));
    this.#reading.add(reading);
  }

  /** Sums by kernel, the longest first, of all that has been done. */
  async times(): Promise<KernelTimes[]> {
    await Promise.all(this.#reading);
    return [...this.#sums]
      .map(([name, { nanoseconds, ...sum }]) => ({ name, seconds: Number(nanoseconds) / 1e9, ...sum }))
      .sort((a, b) => b.seconds - a.seconds);
  }

  /** Forgets what was measured so far. */
  async reset(): Promise<void> {
    await Promise.all(this.#reading);
    this.#sums.clear();
  }

  async #read(buffer: GPUBuffer, timed: readonly Timed[]): Promise<void> {
    try {
      await buffer.mapAsync(MAP.read);
      const stamps = new BigUint64Array(buffer.getMappedRange());
      timed.forEach(({ name, cost }, i) => {
        const sum = this.#sums.get(name) ?? { dispatches: 0, nanoseconds: 0n, bytes: 0, flops: 0 };
        const [from = 0n, to = 0n] = stamps.subarray(2 * i, 2 * i + 2);
        sum.dispatches++;
        // a clock that was set back counts as no time
        sum.nanoseconds += to > from ? to - from : 0n;
        sum.bytes += cost.bytes;
        sum.flops += cost.flops;
        this.#sums.set(name, sum);
      });
    } catch {
      // a device that is lost has no times
    } finally {
      buffer.destroy();
    }
  }
}
