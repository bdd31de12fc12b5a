import { workerData } from 'node:worker_threads';
import type { ModelFile } from '../../modelFile.ts';
import { LayerLoader } from './layerLoader.ts';
import { LayerCache, type SharedLayers } from './sharedLayers.ts';

/** What the thread is given. */
export interface PrefetchData {
  readonly model: ModelFile;
  readonly shared: SharedLayers;
}

const { model, shared } = workerData as PrefetchData;
const loader = new LayerLoader(model, shared);
new LayerCache(shared, (layer, address) => loader.fill(layer, address)).serve();
loader.close();
