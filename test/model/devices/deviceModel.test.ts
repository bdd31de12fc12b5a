import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { DeviceModel } from '../../../src/model/devices/deviceModel.ts';
import { readModelFile } from '../../../src/model/modelFile.ts';
import { childProcesses } from '../../support/children.ts';
import { goldenModel, prose } from '../golden.ts';

const main = fileURLToPath(new URL('../../fixtures/devices/echoDevice.ts', import.meta.url));
const models: DeviceModel[] = [];
afterEach(async () => {
  await Promise.all(models.splice(0).map((model) => model.close()));
  expect(childProcesses()).toEqual([]);
});

async function modelOn(...providers: string[]): Promise<DeviceModel> {
  const file = await readModelFile(goldenModel('w24-bf16'));
  const specs = providers.map((provider) => ({ kind: 'onnx', provider }) as const);
  const model = await DeviceModel.open(file, 'onnx:fake', specs, async (identity) => `id ${identity}`, { main });
  models.push(model);
  return model;
}

/** Which process computed each piece. */
async function computedBy(model: DeviceModel, bytes: number, pieceTokens: number): Promise<number[]> {
  const found: number[] = [];
  for await (const { norms } of model.encode(prose(bytes), { pieceTokens })) found.push(norms.at(-1)!);
  return found;
}

describe('a model on several devices', () => {
  it('keeps a document on the device that it began on, and begins others where there is the least to do', async () => {
    const model = await modelOn('a', 'a', 'a');
    expect([model.threads, model.id, model.identity]).toEqual([3, 'id a', 'a']);
    const documents = await Promise.all([50, 40, 30].map((bytes) => computedBy(model, bytes, 10)));
    for (const pieces of documents) expect(new Set(pieces).size).toBe(1);
    expect(new Set(documents.flat()).size).toBe(3);
  });

  it('is refused where they are not alike, and leaves no process behind', async () => {
    await expect(modelOn('a', 'b')).rejects.toMatchObject({
      code: 'DEVICES_DIFFER',
      message: expect.stringContaining('a and b'),
    });
    await expect(modelOn('a', 'broken')).rejects.toMatchObject({ code: 'DEVICE_UNAVAILABLE' });
    expect(childProcesses()).toEqual([]);
  });

  it('of which one is lost begins no document any more; those on the others may be read to their end', async () => {
    const model = await modelOn('a', 'a');
    const streams = [0, 1].map(() => model.encode(prose(60), { pieceTokens: 10 }));
    const pids = await Promise.all(streams.map(async (stream) => (await stream.next()).value!.norms.at(-1)!));
    process.kill(pids[0]!, 'SIGKILL');
    await vi.waitUntil(() => model.lost !== undefined);
    await expect(streams[0]!.next()).rejects.toMatchObject({ code: 'DEVICE_LOST' });
    expect((await streams[1]!.next()).value?.norms.at(-1)).toBe(pids[1]);
    for (let i = 0; i < 3; i++) await expect(computedBy(model, 5, 10)).rejects.toThrow('SIGKILL');
    await expect(model.referenceTokens([1, 2])).rejects.toThrow('SIGKILL');
  });

  it('refuses pieces that its devices have no room for at the first document, however short that is', async () => {
    const model = await modelOn('a');
    expect(await computedBy(model, 5, 80)).toHaveLength(1);
    await expect(computedBy(model, 5, 81)).rejects.toMatchObject({ code: 'DEVICE_PIECE' });
  });
});
