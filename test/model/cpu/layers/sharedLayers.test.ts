import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  abandonLayers,
  createSharedLayers,
  LayerCache,
  type LayerRoom,
  layerCounts,
  layersBytes,
  type SharedLayers,
} from '../../../../src/model/cpu/layers/sharedLayers.ts';

const LAYER_BYTES = 1 << 16;
const room = (layers: number, slots: number, holders = 2): LayerRoom => ({
  layout: { form: 'f32', tensors: [], bytes: LAYER_BYTES, stagingBytes: LAYER_BYTES },
  layers,
  bytes: slots * 2 * LAYER_BYTES,
  holders,
});

/** One thread that goes through all layers `rounds` times; returns the layers that were decoded, in order. */
async function walk(shared: SharedLayers, rounds: number): Promise<number[]> {
  const decoded: number[] = [];
  const cache = new LayerCache(shared, (layer) => decoded.push(layer));
  for (let at = 0; at < rounds * shared.layers; at++) await cache.with(at % shared.layers, async () => {});
  return decoded;
}

const thread = (shared: SharedLayers, rounds: number, failing?: number): Worker =>
  new Worker(new URL('./cacheThread.ts', import.meta.url), { workerData: { shared, rounds, failing } });

describe('decoded layers in shared memory', () => {
  it('decodes every layer once where all fit', async () => {
    const shared = createSharedLayers(room(6, 6));
    expect(await walk(shared, 3)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(layerCounts(shared)).toEqual({ hits: 12, misses: 6, prefetched: 0 });
  });

  it('keeps within its bytes, but for a layer in each hand', () => {
    expect(createSharedLayers(room(14, 5)).slots).toBe(5);
    expect(createSharedLayers(room(14, 0, 3)).slots).toBe(3);
    expect(createSharedLayers(room(2, 9, 3)).slots).toBe(2);
    expect(layersBytes(room(14, 5))).toBe(createSharedLayers(room(14, 5)).memory.buffer.byteLength);
  });

  it('hits as often as is possible for layers in a circle, where the least recently used rule would never hit', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 2, max: 16 }), fc.integer({ min: 2, max: 16 }), async (layers, slots) => {
        const shared = createSharedLayers(room(layers, Math.min(layers, slots)));
        const rounds = 12;
        const decoded = await walk(shared, rounds);
        expect(decoded.length).toBe(optimalMisses(layers, Math.min(layers, slots), rounds));
      }),
      { numRuns: 40 },
    );
  });

  it('gives every thread the layer it asked for, however few there are and however many threads', async () => {
    for (const slots of [4, 5, 7]) {
      const shared = createSharedLayers(room(7, slots, 4));
      // ends by itself once all layers are there, or when they are given up
      const ahead = once(thread(shared, 0), 'exit');
      const walkers = [1, 2, 3].map(() => thread(shared, 60));
      const codes = await Promise.all(walkers.map(async (worker) => (await once(worker, 'exit'))[0]));
      expect(codes).toEqual([0, 0, 0]);
      const { hits, misses } = layerCounts(shared);
      expect(hits + misses).toBe(3 * 60 * 7);
      abandonLayers(shared);
      expect((await ahead)[0]).toBe(0);
    }
  }, 60_000);

  it('frees those who wait when a thread has died with a layer in its hands', async () => {
    const shared = createSharedLayers(room(3, 1, 1));
    const cache = new LayerCache(shared, () => {});
    await cache.with(0, async () => {
      const waiting = thread(shared, 1);
      const failed = once(waiting, 'error');
      await once(waiting, 'online');
      abandonLayers(shared);
      expect((await failed)[0]).toMatchObject({ name: 'LayersAbandoned' });
    });
  });

  it('passes on why a layer cannot be decoded, and decodes it when that is mended', async () => {
    const shared = createSharedLayers(room(3, 2));
    const [error] = await once(thread(shared, 1, 1), 'error');
    expect(error).toMatchObject({ message: 'cannot be read' });
    expect(await walk(shared, 1)).toEqual([1, 2]);
  });
});

/** Belady: gives up what is needed last. */
function optimalMisses(layers: number, slots: number, rounds: number): number {
  const held = new Set<number>();
  let misses = 0;
  for (let at = 0; at < rounds * layers; at++) {
    const layer = at % layers;
    if (held.has(layer)) continue;
    misses++;
    if (held.size === slots) {
      const distance = (other: number): number => (other - layer + layers) % layers;
      held.delete([...held].reduce((last, other) => (distance(other) > distance(last) ? other : last)));
    }
    held.add(layer);
  }
  return misses;
}
