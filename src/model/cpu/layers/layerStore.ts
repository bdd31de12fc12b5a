import { Worker } from 'node:worker_threads';
import { workerModule } from '../../../run/pool.ts';
import type { ModelFile } from '../../modelFile.ts';
import { type LayerForm, layerLayout } from './layerForm.ts';
import type { PrefetchData } from './prefetchThread.ts';
import {
  abandonLayers,
  createSharedLayers,
  type LayerCounts,
  type LayerRoom,
  layerCounts,
  type SharedLayers,
} from './sharedLayers.ts';

export interface LayerStoreOptions {
  readonly form: LayerForm;
  /** Bytes that decoded layers may take; every worker needs one layer, and one more is decoded ahead. */
  readonly bytes: number;
  readonly threads: number;
}

/** The decoded layers of one model in this process, and the thread that decodes ahead. Made when first asked for. */
export class LayerStore {
  readonly #model: ModelFile;
  readonly #room: LayerRoom;
  #shared: SharedLayers | undefined;
  #before: LayerCounts = { hits: 0, misses: 0, prefetched: 0 };

  constructor(model: ModelFile, { form, bytes, threads }: LayerStoreOptions) {
    this.#model = model;
    this.#room = { bytes, layout: layerLayout(model.config, form), layers: model.config.layers, holders: threads + 1 };
  }

  get shared(): SharedLayers {
    if (this.#shared !== undefined) return this.#shared;
    const shared = createSharedLayers(this.#room);
    this.#shared = shared;
    const data: PrefetchData = { model: this.#model, shared };
    const thread = new Worker(workerModule(import.meta.url, './prefetchThread'), { workerData: data });
    // what it was decoding when it died would never be ready
    thread.on('error', () => this.renew(shared.id));
    thread.unref();
    return shared;
  }

  /** What became of the layers asked for. */
  get counts(): LayerCounts {
    if (this.#shared === undefined) return this.#before;
    const now = layerCounts(this.#shared);
    return {
      hits: this.#before.hits + now.hits,
      misses: this.#before.misses + now.misses,
      prefetched: this.#before.prefetched + now.prefetched,
    };
  }

  /** Gives layers up, if they are the present ones: a thread has died that may have held some of them. */
  renew(id: number | undefined): void {
    if (this.#shared === undefined || id !== this.#shared.id) return;
    this.#before = this.counts;
    abandonLayers(this.#shared);
    this.#shared = undefined;
  }

  close(): void {
    this.renew(this.#shared?.id);
  }
}
