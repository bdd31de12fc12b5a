import type { LayerCounts } from './cpu/layers/sharedLayers.ts';
import type { EntropyModel } from './model.ts';
import { type OpenOptions, openModel } from './openModel.ts';

const models = new Map<string, Promise<EntropyModel>>();
const opened = new Set<EntropyModel>();

/** One model for all flows of the process that want it alike: splits of a run do not hash its files again. */
export function sharedModel(path: string, how: OpenOptions): Promise<EntropyModel> {
  const key = JSON.stringify([path, how]);
  const known = models.get(key);
  if (known !== undefined) return known;
  const opening = openModel(path, how);
  models.set(key, opening);
  opening.then(
    (model) => opened.add(model),
    () => models.delete(key),
  );
  return opening;
}

/** What became of the decoded layers that passes of shared models asked for; undefined where none decodes layers. */
export function sharedLayerCounts(): LayerCounts | undefined {
  let sum: LayerCounts | undefined;
  for (const { layerCounts: counts } of opened) {
    if (counts === undefined) continue;
    const { hits = 0, misses = 0, prefetched = 0 } = sum ?? {};
    sum = { hits: hits + counts.hits, misses: misses + counts.misses, prefetched: prefetched + counts.prefetched };
  }
  return sum;
}
