import { workerData } from 'node:worker_threads';
import { readModelFile } from '../../modelFile.ts';
import { LayerLoader } from './layerLoader.ts';
import { LayerCache, type SharedLayers } from './sharedLayers.ts';

/** What the thread is given. */
export interface PrefetchData {
  readonly path: string;
  readonly shared: SharedLayers;
}

const { path, shared } = workerData as PrefetchData;
const loader = new LayerLoader(await readModelFile(path), shared);
new LayerCache(shared, (layer, address) => loader.fill(layer, address)).serve();
loader.close();
