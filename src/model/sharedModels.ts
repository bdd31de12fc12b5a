import type { LayerCounts } from './cpu/layers/sharedLayers.ts';
import { DeviceModel } from './devices/deviceModel.ts';
import type { DeviceTimes } from './devices/deviceProtocol.ts';
import type { EntropyModel } from './model.ts';
import { type OpenOptions, openModel } from './openModel.ts';

const models = new Map<string, Promise<EntropyModel>>();
const opened = new Map<string, EntropyModel>();

/**
 * One model for all flows of the process that want it alike: splits of a run do not hash its files again. One whose device
 * was lost is opened anew.
 */
export function sharedModel(path: string, how: OpenOptions): Promise<EntropyModel> {
  const key = JSON.stringify([path, how]);
  const known = models.get(key);
  if (known !== undefined && opened.get(key)?.lost === undefined) return known;
  opened.delete(key);
  const opening = openModel(path, how);
  models.set(key, opening);
  opening.then(
    (model) => opened.set(key, model),
    () => models.delete(key),
  );
  return opening;
}

/** Times of the kernels of all shared models that were opened to be timed. */
export async function sharedTimes(): Promise<DeviceTimes[]> {
  const times: DeviceTimes[] = [];
  for (const model of opened.values()) {
    if (model instanceof DeviceModel && model.profile && model.lost === undefined) times.push(...(await model.times()));
  }
  return times;
}

/** What became of the decoded layers that passes of shared models asked for; undefined where none decodes layers. */
export function sharedLayerCounts(): LayerCounts | undefined {
  let sum: LayerCounts | undefined;
  for (const { layerCounts: counts } of opened.values()) {
    if (counts === undefined) continue;
    const { hits = 0, misses = 0, prefetched = 0 } = sum ?? {};
    sum = { hits: hits + counts.hits, misses: misses + counts.misses, prefetched: prefetched + counts.prefetched };
  }
  return sum;
}
