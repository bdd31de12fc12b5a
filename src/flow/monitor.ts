import { carriedSlot } from './carry.ts';
import type { Inlet, Limit } from './inlet.ts';

/** What a stage says of itself when it is subscribed. */
export interface StageInfo {
  readonly name: string;
  readonly kind: 'source' | 'operator' | 'sink';
  /** The room it would take if nobody limits it. */
  readonly room: Limit;
  /** Bytes it may hold besides its room: a batch, an open shard, a table. */
  readonly holds?: number | undefined;
  /** Processes that it starts at most, whatever the number of splits in flight, and bytes of each at most. */
  readonly processes?: { readonly most: number; readonly bytes: number } | undefined;
  /** Its share of a memory budget, against the other stages. 0: the room never changes. */
  readonly weight?: number | undefined;
  /** The least bytes its room works with: one largest value. */
  readonly least?: number | undefined;
  /** What decides its output, as JSON: part of the run's digest. */
  readonly options?: unknown;
  /** Further facts that decide its output but take work to know, such as the hash of a model's weights. */
  readonly identify?: (() => Promise<unknown>) | undefined;
}

export interface Stage {
  /** The room granted; at most what was asked for. */
  readonly room: Limit;
  /** Lets the monitor read the stage's room while the flow runs. */
  watch(inlet: Inlet): void;
}

/** Sees every stage of a flow as it is subscribed, and grants it its room. The run engine is one. */
export interface FlowMonitor {
  /** Refuse values that carry no gate at the first one, instead of when a room is full. */
  readonly strict: boolean;
  stage(info: StageInfo): Stage;
}

const slot: { monitor: FlowMonitor | undefined } = carriedSlot('sluice.monitor.v1', { monitor: undefined });

/** The monitor of the flow that is being subscribed right now, if any. Read it inside a subscribe function only. */
export function currentMonitor(): FlowMonitor | undefined {
  return slot.monitor;
}

/** Runs `subscribe` so that every stage subscribed meanwhile reports to `monitor`. */
export function monitored<T>(monitor: FlowMonitor | undefined, subscribe: () => T): T {
  const outer = slot.monitor;
  slot.monitor = monitor;
  try {
    return subscribe();
  } finally {
    slot.monitor = outer;
  }
}

/** Registers a stage with the current monitor; without one the stage gets what it asks for. */
export function enterStage(info: StageInfo): Stage {
  return slot.monitor?.stage(info) ?? { room: info.room, watch: () => {} };
}
