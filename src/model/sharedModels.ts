import { ModelError } from '../errors.ts';
import type { LayerCounts } from './cpu/layers/sharedLayers.ts';
import { DeviceModel } from './devices/deviceModel.ts';
import type { DeviceTimes } from './devices/deviceProtocol.ts';
import type { EntropyModel } from './model.ts';
import { type OpenOptions, openModel } from './openModel.ts';

interface Shared {
  /** Under way, or done; absent where it failed. */
  readonly opening?: Promise<EntropyModel> | undefined;
  readonly isOpening: boolean;
  /** What was opened last. */
  readonly model?: EntropyModel | undefined;
}

const models = new Map<string, Shared>();

/**
 * One model for all flows of the process that want it alike: splits of a run do not hash its files again. One whose device
 * was lost is opened anew, as what it was: throws ModelError `DEVICE_UNAVAILABLE` where another kind of device is found in
 * its place, `MODEL_CHANGED` where the files are others.
 */
export function sharedModel(path: string, how: OpenOptions): Promise<EntropyModel> {
  const key = JSON.stringify([path, how]);
  const { opening: known, model: before, isOpening = false } = models.get(key) ?? {};
  if (known !== undefined && (isOpening || before?.lost === undefined)) return known;
  const opening = before === undefined ? openModel(path, how) : openAgain(path, how, before);
  models.set(key, { opening, isOpening: true, model: before });
  opening.then(
    (model) => models.set(key, { opening, isOpening: false, model }),
    () => models.set(key, { isOpening: false, model: before }),
  );
  return opening;
}

async function openAgain(path: string, how: OpenOptions, before: EntropyModel): Promise<EntropyModel> {
  // what still computes with its other devices fails, and is done again by who lost the first: memory is for one
  await before.close();
  const model = await openModel(path, how);
  if (model.id === before.id) return model;
  await model.close();
  const [was, is] = [before, model].map((one) => (one instanceof DeviceModel ? one.identity : ''));
  if (was === is) {
    throw new ModelError(`${path} has changed since the model was opened.`, {
      code: 'MODEL_CHANGED',
      path,
      hint: 'Put new weights beside old ones, not in their place.',
    });
  }
  throw new ModelError(`${how.device} was ${was} and is now ${is}, whose numbers differ in the last bits.`, {
    code: 'DEVICE_UNAVAILABLE',
    path,
  });
}

/** Times of the kernels of all shared models that were opened to be timed. */
export async function sharedTimes(): Promise<DeviceTimes[]> {
  const times: DeviceTimes[] = [];
  for (const { model } of models.values()) {
    if (!(model instanceof DeviceModel && model.profile) || model.lost !== undefined) continue;
    const found = await model.times().catch((error) => {
      // times of a device that is lost are lost as well
      if (model.lost !== undefined) return [];
      throw error;
    });
    times.push(...found);
  }
  return times;
}

/** Ends the processes of all shared models' devices: what they are at is not waited for. */
export async function closeSharedDevices(): Promise<void> {
  const opened = [...models.values()].flatMap(({ model }) => (model instanceof DeviceModel ? [model] : []));
  await Promise.all(opened.map((model) => model.close()));
}

/** What became of the decoded layers that passes of shared models asked for; undefined where none decodes layers. */
export function sharedLayerCounts(): LayerCounts | undefined {
  let sum: LayerCounts | undefined;
  for (const { model } of models.values()) {
    const counts = model?.layerCounts;
    if (counts === undefined) continue;
    const { hits = 0, misses = 0, prefetched = 0 } = sum ?? {};
    sum = { hits: hits + counts.hits, misses: misses + counts.misses, prefetched: prefetched + counts.prefetched };
  }
  return sum;
}
