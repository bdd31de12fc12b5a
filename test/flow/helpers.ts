import { setTimeout as sleep } from 'node:timers/promises';
import type { Observable } from 'rxjs';
import { type FlowMonitor, type Inlet, monitored, pull, type StageInfo } from '../../src/flow/index.ts';

export { sleep };

export interface Doc {
  readonly id: number;
  readonly bytes: number;
}

/** Counts what exists between two points of a flow. */
export class Live {
  items = 0;
  bytes = 0;
  peak = 0;
  peakBytes = 0;

  readonly born = <T extends { readonly bytes: number }>(value: T): T => {
    this.items++;
    this.bytes += value.bytes;
    this.peak = Math.max(this.peak, this.items);
    this.peakBytes = Math.max(this.peakBytes, this.bytes);
    return value;
  };

  readonly dies = (value: { readonly bytes: number }): void => {
    this.items--;
    this.bytes -= value.bytes;
  };

  /** A consumer that is at least a hundred times slower than the source. */
  readonly slowly = async <T extends { readonly bytes: number }>(value: T): Promise<T> => {
    await sleep(1);
    this.dies(value);
    return value;
  };
}

/** A source that counts what is pulled from it and how often it is closed. */
export class Source {
  pulled = 0;
  closed = 0;

  flow(
    count: number,
    options: { chunk?: number; bytes?: (id: number) => number; name?: string } = {},
  ): Observable<Doc> {
    const { chunk = 16, bytes = () => 1000, name } = options;
    const source = this;
    return pull(
      function* () {
        try {
          for (let from = 0; from < count; from += chunk) {
            const docs = Array.from({ length: Math.min(chunk, count - from) }, (_, i) => ({
              id: from + i,
              bytes: bytes(from + i),
            }));
            source.pulled += docs.length;
            yield docs;
          }
        } finally {
          source.closed++;
        }
      },
      { name },
    );
  }
}

export const docs = (count: number, options?: Parameters<Source['flow']>[1]): Observable<Doc> =>
  new Source().flow(count, options);

export const numbers = (count: number, chunk = 16): Observable<number> =>
  pull(function* () {
    for (let from = 0; from < count; from += chunk)
      yield Array.from({ length: Math.min(chunk, count - from) }, (_, i) => from + i);
  });

/** Collects a flow as a plain subscriber does, without holding anybody. */
export function collect<T>(flow: Observable<T>): Promise<T[]> {
  return new Promise((resolve, reject) => {
    const values: T[] = [];
    flow.subscribe({ next: (value) => values.push(value), error: reject, complete: () => resolve(values) });
  });
}

export const count = async (flow: Observable<unknown>): Promise<number> => (await collect(flow)).length;

/** Waits for something that is bound to happen, such as a generator's own pending await. */
export async function eventually(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 500 && !condition(); i++) await sleep(1);
  if (!condition()) throw new Error(`never happened: ${condition}`);
}

/** A monitor that keeps what it sees, by name. */
export class Seen implements FlowMonitor {
  readonly strict: boolean;
  readonly infos: StageInfo[] = [];
  readonly inlets = new Map<string, Inlet>();

  constructor(strict = false) {
    this.strict = strict;
  }

  stage(info: StageInfo) {
    this.infos.push(info);
    return { room: info.room, watch: (inlet: Inlet) => void this.inlets.set(info.name, inlet) };
  }

  run<T>(subscribe: () => T): T {
    return monitored(this, subscribe);
  }

  inlet(name: string): Inlet {
    const inlet = this.inlets.get(name);
    if (inlet === undefined) throw new Error(`no stage ${name}`);
    return inlet;
  }
}
