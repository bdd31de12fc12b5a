import { workerData } from 'node:worker_threads';
import { LayerCache, type SharedLayers } from '../../../../src/model/cpu/layers/sharedLayers.ts';

/** Walks through the layers in a circle, or serves those who do, and fails where a layer does not hold its own number. */
const { shared, rounds, failing } = workerData as { shared: SharedLayers; rounds: number; failing?: number };
const values = shared.slotBytes / 4;
const cache = new LayerCache(shared, (layer, address) => {
  if (layer === failing) throw new Error('cannot be read');
  new Int32Array(shared.memory.buffer, address, values).fill(layer);
});
if (rounds === 0) cache.serve();
for (let round = 0; round < rounds; round++) {
  for (let layer = 0; layer < shared.layers; layer++) {
    await cache.with(layer, async (address) => {
      cache.want((layer + 1) % shared.layers);
      const found = new Int32Array(shared.memory.buffer, address, values);
      for (let pass = 0; pass < 3; pass++) {
        if (!found.every((value) => value === layer)) throw new Error(`layer ${layer} holds ${found.join()}`);
      }
    });
  }
}
