import { ModelError } from '../../../errors.ts';
import type { LayerForm, LayerLayout } from './layerForm.ts';

const PAGE = 65_536;
/** A WebAssembly memory has no more. */
const MOST_BYTES = 65_536 * PAGE;
/** Words of the control block. */
const WORD = {
  lock: 0,
  abandoned: 1,
  /** Counts changes of slots, for those who wait for one. */
  changes: 2,
  /** Layer that shall be decoded ahead, plus one; zero for none, less than zero to look around. */
  wanted: 3,
  hits: 4,
  misses: 5,
  prefetched: 6,
  slots: 8,
} as const;
/** Words of a slot. */
const SLOT = { layer: 0, state: 1, pins: 2, words: 3 } as const;
const EMPTY = 0;
const FILLING = 1;
const READY = 2;
const LOCKED = 1;
/** A worker that waited so long looks whether it waits for a dead one. */
const PATIENCE_MS = 200;

/** Decoded layers in memory that the threads of a process share. Can be sent to a worker. */
export interface SharedLayers {
  /** Of this process alone. */
  readonly id: number;
  readonly form: LayerForm;
  readonly memory: WebAssembly.Memory;
  readonly control: Int32Array<SharedArrayBuffer>;
  readonly layers: number;
  readonly slots: number;
  readonly slotBytes: number;
}

/** What became of the layers asked for, since the model was opened. */
export interface LayerCounts {
  /** Found decoded. */
  readonly hits: number;
  /** Decoded by the pass that needed them. */
  readonly misses: number;
  /** Decoded ahead of the pass that needed them; they count as hits. */
  readonly prefetched: number;
}

export interface LayerRoom {
  readonly layout: LayerLayout;
  readonly layers: number;
  /** That decoded layers may take. */
  readonly bytes: number;
  /** Threads that hold a layer at once, the one that decodes ahead included. */
  readonly holders: number;
}

/** A thread has died that may have held a layer, or the model was closed: the layers are given up. */
export class LayersAbandoned extends Error {
  override name = 'LayersAbandoned';
}

let created = 0;

/** Slots for as many layers as fit into `bytes`, at least one for every thread that holds one, at most all. */
function slotsOf(room: LayerRoom): number {
  const slotBytes = slotBytesOf(room);
  const wanted = Math.max(room.holders, Math.floor(room.bytes / slotBytes));
  return Math.min(room.layers, wanted, Math.max(1, Math.floor(MOST_BYTES / slotBytes)));
}

/** A layer, and beside it what is read from the file and not decoded yet. */
const slotBytesOf = ({ layout }: LayerRoom): number => Math.ceil((layout.bytes + layout.stagingBytes) / PAGE) * PAGE;

/** Bytes of {@link SharedLayers} with this room. */
export const layersBytes = (room: LayerRoom): number => slotsOf(room) * slotBytesOf(room);

/** @throws ModelError `MODEL_MEMORY` where the memory cannot be had */
export function createSharedLayers(room: LayerRoom): SharedLayers {
  const slots = slotsOf(room);
  const slotBytes = slotBytesOf(room);
  const pages = (slots * slotBytes) / PAGE;
  const control = new Int32Array(new SharedArrayBuffer(4 * (WORD.slots + slots * SLOT.words)));
  try {
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    return { id: ++created, form: room.layout.form, memory, control, layers: room.layers, slots, slotBytes };
  } catch (cause) {
    throw new ModelError(`There is no memory for ${slots} decoded layers of ${room.layout.bytes} bytes.`, {
      code: 'MODEL_MEMORY',
      cause,
      hint: 'Give less weightCacheBytes, or fewer workers.',
    });
  }
}

/** What the counters of shared layers say. */
export function layerCounts({ control }: SharedLayers): LayerCounts {
  return {
    hits: Atomics.load(control, WORD.hits),
    misses: Atomics.load(control, WORD.misses),
    prefetched: Atomics.load(control, WORD.prefetched),
  };
}

export function areAbandoned({ control }: SharedLayers): boolean {
  return Atomics.load(control, WORD.abandoned) === 1;
}

/** Frees all who wait: after a thread has died, what it held is never given back. */
export function abandonLayers({ control }: SharedLayers): void {
  Atomics.store(control, WORD.abandoned, 1);
  Atomics.store(control, WORD.wanted, -1);
  Atomics.notify(control, WORD.wanted);
  Atomics.add(control, WORD.changes, 1);
  Atomics.notify(control, WORD.changes);
}

/** Decodes a layer to an address of the shared memory, with staging room after it. */
export type FillLayer = (layer: number, address: number) => void;

/**
 * One thread's view of {@link SharedLayers}. Layers are used in a circle, so the one to give up is the one whose turn
 * comes last, which is the one used just before: the least recently used one would be the next to be needed.
 * All methods may block their thread.
 */
export class LayerCache {
  readonly #shared: SharedLayers;
  readonly #control: Int32Array<SharedArrayBuffer>;
  readonly #fill: FillLayer;

  constructor(shared: SharedLayers, fill: FillLayer) {
    this.#shared = shared;
    this.#control = shared.control;
    this.#fill = fill;
  }

  /** Lends the address of a decoded layer to `use`. Throws what decoding throws. */
  async with<R>(layer: number, use: (address: number) => Promise<R>): Promise<R> {
    const slot = this.#acquire(layer, true);
    try {
      return await use(slot * this.#shared.slotBytes);
    } finally {
      this.#release(slot);
    }
  }

  /** Asks for a layer to be decoded ahead. */
  want(layer: number): void {
    if (this.#find(layer) !== undefined) return;
    Atomics.store(this.#control, WORD.wanted, layer + 1);
    Atomics.notify(this.#control, WORD.wanted);
  }

  /** Decodes what is wanted, until the layers are abandoned, all are there, or one cannot be decoded. */
  serve(): void {
    try {
      while (!this.#abandoned && !this.#complete()) {
        const wanted = Atomics.exchange(this.#control, WORD.wanted, 0);
        if (wanted === 0) Atomics.wait(this.#control, WORD.wanted, 0);
        else if (wanted > 0) this.#prefetch(wanted - 1);
      }
    } catch {
      // the worker that needs the layer tries itself, and says why it fails
    }
  }

  get #abandoned(): boolean {
    return areAbandoned(this.#shared);
  }

  #prefetch(layer: number): void {
    const slot = this.#acquire(layer, false);
    this.#release(slot);
  }

  /** Slot of the layer, ready and pinned. */
  #acquire(layer: number, counts: boolean): number {
    for (;;) {
      this.#lock();
      const changes = Atomics.load(this.#control, WORD.changes);
      const found = this.#find(layer);
      if (found !== undefined && this.#get(found, SLOT.state) === READY) {
        this.#add(found, SLOT.pins, 1);
        if (counts) Atomics.add(this.#control, WORD.hits, 1);
        this.#unlock();
        return found;
      }
      const free = found === undefined ? this.#victim(layer) : undefined;
      if (free !== undefined) {
        this.#set(free, SLOT.layer, layer);
        this.#set(free, SLOT.state, FILLING);
        this.#set(free, SLOT.pins, 1);
        Atomics.add(this.#control, counts ? WORD.misses : WORD.prefetched, 1);
        this.#unlock();
        this.#fillSlot(free, layer);
        return free;
      }
      this.#unlock();
      Atomics.wait(this.#control, WORD.changes, changes, PATIENCE_MS);
      if (this.#abandoned) throw new LayersAbandoned('the layers were given up while this thread waited for one');
    }
  }

  #fillSlot(slot: number, layer: number): void {
    let filled = false;
    try {
      this.#fill(layer, slot * this.#shared.slotBytes);
      filled = true;
    } finally {
      // an empty slot is anybody's at once: let go of it before
      if (!filled) this.#set(slot, SLOT.pins, 0);
      this.#set(slot, SLOT.state, filled ? READY : EMPTY);
      this.#changed();
    }
  }

  #release(slot: number): void {
    this.#add(slot, SLOT.pins, -1);
    this.#changed();
  }

  #find(layer: number): number | undefined {
    for (let slot = 0; slot < this.#shared.slots; slot++) {
      if (this.#get(slot, SLOT.state) !== EMPTY && this.#get(slot, SLOT.layer) === layer) return slot;
    }
    return undefined;
  }

  /** An empty slot, or else the unused one whose layer is needed last. */
  #victim(layer: number): number | undefined {
    let best: number | undefined;
    let distance = -1;
    for (let slot = 0; slot < this.#shared.slots; slot++) {
      if (this.#get(slot, SLOT.state) === EMPTY) return slot;
      if (this.#get(slot, SLOT.state) !== READY || this.#get(slot, SLOT.pins) > 0) continue;
      const ahead = (this.#get(slot, SLOT.layer) - layer + this.#shared.layers) % this.#shared.layers;
      if (ahead > distance) [best, distance] = [slot, ahead];
    }
    return best;
  }

  #complete(): boolean {
    const { slots, layers } = this.#shared;
    if (slots < layers) return false;
    for (let slot = 0; slot < slots; slot++) if (this.#get(slot, SLOT.state) !== READY) return false;
    return true;
  }

  #lock(): void {
    while (Atomics.compareExchange(this.#control, WORD.lock, 0, LOCKED) !== 0) {
      Atomics.wait(this.#control, WORD.lock, LOCKED, PATIENCE_MS);
      if (this.#abandoned) throw new LayersAbandoned('the layers were given up while this thread looked for one');
    }
  }

  #unlock(): void {
    Atomics.store(this.#control, WORD.lock, 0);
    Atomics.notify(this.#control, WORD.lock, 1);
  }

  #changed(): void {
    Atomics.add(this.#control, WORD.changes, 1);
    Atomics.notify(this.#control, WORD.changes);
  }

  #get(slot: number, word: number): number {
    return Atomics.load(this.#control, WORD.slots + slot * SLOT.words + word);
  }

  #set(slot: number, word: number, value: number): void {
    Atomics.store(this.#control, WORD.slots + slot * SLOT.words + word, value);
  }

  #add(slot: number, word: number, value: number): void {
    Atomics.add(this.#control, WORD.slots + slot * SLOT.words + word, value);
  }
}
