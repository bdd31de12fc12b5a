import { beforeEach, describe, expect, it, vi } from 'vitest';
import { ModelError } from '../../src/errors.ts';
import type { EntropyModel } from '../../src/model/model.ts';
import { sharedModel } from '../../src/model/sharedModels.ts';

const opening = vi.hoisted(() => ({ openModel: vi.fn() }));
vi.mock('../../src/model/openModel.ts', () => opening);

const lost = new ModelError('the driver fell over', { code: 'DEVICE_LOST' });
const alive: string[] = [];
let path = '';

interface Fake extends Pick<EntropyModel, 'id'> {
  lost?: ModelError;
}

/** The next model to be opened; it takes a while. */
function comes(id: string): Fake {
  const fake: Fake & { close(): Promise<void> } = {
    id,
    async close() {
      await Promise.resolve();
      alive.splice(alive.indexOf(id), 1);
    },
  };
  opening.openModel.mockImplementationOnce(async () => {
    alive.push(id);
    // one of them at a time has memory on the device
    expect(alive.length).toBe(1);
    await new Promise(setImmediate);
    return fake;
  });
  return fake;
}

describe('a model that flows share', () => {
  beforeEach(() => {
    alive.length = 0;
    opening.openModel.mockReset();
    path = `model-${Math.random()}`;
  });

  it('is opened once, however many ask and whenever', async () => {
    const fake = comes('a');
    const ask = () => sharedModel(path, { device: 'webgpu' });
    expect(await Promise.all([ask(), ask()])).toEqual([fake, fake]);
    expect(await ask()).toBe(fake);
    expect(opening.openModel).toHaveBeenCalledTimes(1);
  });

  it('is opened once more when its device was lost, after what is left of it was closed', async () => {
    const ask = () => sharedModel(path, { device: 'webgpu' });
    const first = comes('a');
    await ask();
    first.lost = lost;
    const second = comes('a');
    expect(await Promise.all([ask(), ask(), ask()])).toEqual([second, second, second]);
    expect(await ask()).toBe(second);
    expect(opening.openModel).toHaveBeenCalledTimes(2);
    second.lost = lost;
    const third = comes('a');
    expect(await ask()).toBe(third);
  });

  it('is asked for again where it could not be opened', async () => {
    const ask = () => sharedModel(path, { device: 'webgpu' });
    opening.openModel.mockRejectedValueOnce(new Error('no'));
    await expect(ask()).rejects.toThrow('no');
    const first = comes('a');
    await ask();
    first.lost = lost;
    opening.openModel.mockRejectedValueOnce(new Error('not now'));
    await Promise.all([expect(ask()).rejects.toThrow('not now'), expect(ask()).rejects.toThrow('not now')]);
    const second = comes('a');
    expect(await ask()).toBe(second);
  });

  it('must be what it was: numbers of one run are of one model', async () => {
    const ask = () => sharedModel(path, { device: 'webgpu' });
    const first = comes('a');
    await ask();
    first.lost = lost;
    comes('b');
    await expect(ask()).rejects.toMatchObject({ code: 'MODEL_CHANGED' });
    expect(alive).toEqual([]);
    const second = comes('a');
    expect(await ask()).toBe(second);
  });
});
