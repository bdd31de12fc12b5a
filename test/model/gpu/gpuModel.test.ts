import { lastValueFrom, reduce } from 'rxjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DeviceModel, type OpenOptions, openModel } from '../../../src/model/index.ts';
import { embed } from '../../../src/operators/embed.ts';
import { patch } from '../../../src/operators/patch.ts';
import type { Patches } from '../../../src/records.ts';
import { flowOf, segmentOf } from '../../operators/segments.ts';
import { childProcesses } from '../../support/children.ts';
import { type GpuDevice, gpuDevice } from '../../support/gpu.ts';
import { goldenModel, largestDifference, prose } from '../golden.ts';
import { expectNorms, TOLERANCE } from '../goldenChecks.ts';
import { modelFolder, smallArgs } from '../modelFolder.ts';
import { conformsToReference, encodeAll } from '../reference.ts';

const names = ['w512-f32', 'w24-bf16'];
const models = new Map<string, DeviceModel>();
const modelOf = (name: string) => models.get(name)!;
let gpu: GpuDevice;

const open = (path: string, options: OpenOptions = {}) =>
  openModel(path, { device: gpu.device, ...options }) as Promise<DeviceModel>;

beforeAll(async () => {
  gpu = await gpuDevice();
  for (const name of names) models.set(name, await open(goldenModel(name)));
}, 60_000);
afterAll(async () => {
  for (const model of models.values()) await model.close();
  await gpu.remove();
});

conformsToReference(modelOf);

describe('the model on a GPU', () => {
  it('carries keys from piece to piece: the same as in one pass', async () => {
    const model = modelOf('w24-bf16');
    const before = model.rowsComputed;
    const whole = await encodeAll(model, prose(400), { pieceTokens: 500 });
    const cut = await encodeAll(model, prose(400), { pieceTokens: 60 });
    expect([whole.pieces.length, cut.pieces.length]).toEqual([1, 7]);
    expect(model.rowsComputed - before).toBe(2 * 401);
    expect(largestDifference(cut.entropies, whole.entropies)).toBeLessThan(TOLERANCE.entropy);
    expectNorms(cut.norms, whole.norms);
  });

  it('computes a document with the same bits alone and in any company', async () => {
    const model = modelOf('w24-bf16');
    const documents = Array.from({ length: 12 }, (_, i) => prose(10 + 37 * i).reverse());
    const alone: Float32Array[] = [];
    for (const bytes of documents) alone.push((await encodeAll(model, bytes, { pieceTokens: 100 })).entropies);
    const together = await Promise.all(documents.map((bytes) => encodeAll(model, bytes, { pieceTokens: 100 })));
    expect(together.map(({ entropies }) => entropies)).toEqual(alone);
  });

  it('computes with more long documents at once than it has slots for their keys', async () => {
    // a few slots are all that so little memory has room for
    const args = { ...smallArgs, sliding_window: 300 };
    const model = await open(modelFolder(args), { gpuMemoryBytes: 1_600_000 });
    const documents = Array.from({ length: 5 }, (_, i) => prose(200 + i));
    const alone: Float32Array[] = [];
    for (const bytes of documents) alone.push((await encodeAll(model, bytes, { pieceTokens: 64 })).entropies);
    const together = await Promise.all(documents.map((bytes) => encodeAll(model, bytes, { pieceTokens: 64 })));
    expect(together.map(({ entropies }) => entropies)).toEqual(alone);
    // in turns, so that their keys have to move off the device and back
    const streams = documents.map((bytes) => model.encode(bytes, { pieceTokens: 64 }));
    const turns: Float32Array[] = documents.map(() => new Float32Array(0));
    for (let turn = 0; turn < 4; turn++) {
      for (const [i, stream] of streams.entries()) {
        const { value } = await stream.next();
        turns[i] = Float32Array.of(...turns[i]!, ...(value?.entropies ?? []));
      }
    }
    expect(turns).toEqual(alone);
    await model.close();
  });

  it('agrees with the CPU where heads share keys', async () => {
    const path = modelFolder({ ...smallArgs, n_kv_heads: 2 });
    const [device, cpu] = [await open(path), await openModel(path, { threads: 1 })];
    const bytes = prose(500);
    const found = await encodeAll(device, bytes, { pieceTokens: 50 });
    const expected = await encodeAll(cpu, bytes, { pieceTokens: 50 });
    expect(largestDifference(found.entropies, expected.entropies)).toBeLessThan(TOLERANCE.entropy);
    await Promise.all([device.close(), cpu.close()]);
  });

  it('tells what it runs on, agrees with the CPU, and has an id of its own', async () => {
    const cpu = await openModel(goldenModel('w512-f32'));
    const model = modelOf('w512-f32');
    expect(model.id).toMatch(/^[0-9a-f]{64}$/);
    expect(model.id).not.toBe(cpu.id);
    expect(model.description).not.toBe('');
    expect(model.agreement.entropyDifference).toBeLessThan(TOLERANCE.entropy);
    expect(model.agreement.tokens).toBe(200);
  });
});

describe('states on a GPU', () => {
  async function patches(device: OpenOptions['device'], documents: readonly Uint8Array[]) {
    const segments = flowOf(documents.map((bytes, i) => segmentOf(bytes, `d${i}`)));
    const cut = segments.pipe(
      embed({ model: goldenModel('w24-bf16'), device, pieceBytes: 50 }),
      patch({ threshold: 4.2, maxPatchLength: 30 }),
    );
    return lastValueFrom(cut.pipe(reduce<Patches, Patches[]>((all, one) => [...all, one], [])));
  }
  const documents = [prose(333), prose(1), prose(0), prose(120).reverse(), prose(49), prose(50)];

  it('are averaged there for the patches that follow: the same patches and means as on the CPU', async () => {
    const [found, expected] = [await patches(gpu.device, documents), await patches('cpu', documents)];
    expect(found.map(({ lengths }) => lengths)).toEqual(expected.map(({ lengths }) => lengths));
    for (const [i, { embeddings, prominence, entropy }] of found.entries()) {
      expect(largestDifference(embeddings, expected[i]!.embeddings)).toBeLessThan(TOLERANCE.preNorm);
      expectNorms(prominence, expected[i]!.prominence);
      expect(largestDifference(entropy, expected[i]!.entropy)).toBeLessThan(TOLERANCE.entropy);
    }
    expect(found.reduce((sum, { lengths }) => sum + lengths.length, 0)).toBeGreaterThan(20);
  });

  it('come back only where somebody asks for them', async () => {
    const model = modelOf('w24-bf16');
    const rule = { mode: 'entropy', threshold: 4.2, maxLength: 30 } as const;
    const { pieces } = await encodeAll(model, prose(200), { pieceTokens: 80, pool: rule });
    expect(pieces.map(({ preNorm }) => preNorm)).toEqual([undefined, undefined, undefined]);
    for (const { pooled } of pieces) expect(pooled!.means.length).toBe((pooled!.ends.length + 1) * model.dim);
    const plain = await encodeAll(model, prose(200), { pieceTokens: 80 });
    expect(plain.pieces.flatMap(({ preNorm, pooled }) => [preNorm, pooled])).toEqual(Array(6).fill(undefined));
  });
});

describe('several GPUs', () => {
  it('give the results of one, whichever computes a document', async () => {
    const both = `${gpu.device},${gpu.device}` as const;
    const two = await openModel(goldenModel('w24-bf16'), { device: both });
    const one = modelOf('w24-bf16');
    expect(two.threads).toBe(2);
    expect(two.id).toBe(one.id);
    const documents = Array.from({ length: 10 }, (_, i) => prose(30 + 40 * i));
    const found = await Promise.all(documents.map((bytes) => encodeAll(two, bytes, { pieceTokens: 100 })));
    for (const [i, { entropies }] of found.entries()) {
      expect(entropies).toEqual((await encodeAll(one, documents[i]!, { pieceTokens: 100 })).entropies);
    }
    await two.close();
  });
});

describe('a GPU that cannot be had', () => {
  it('is refused with the reason', async () => {
    const error = await openModel(goldenModel('w24-bf16'), { device: 'webgpu:abacus' }).catch((thrown) => thrown);
    expect(error).toMatchObject({ name: 'ModelError', code: 'DEVICE_UNAVAILABLE' });
    expect(error.message).toContain('"abacus"');
  });

  it('has too little memory for the weights, or for one document', async () => {
    for (const gpuMemoryBytes of [10_000, 600_000]) {
      const error = await open(goldenModel('w512-f32'), { gpuMemoryBytes }).catch((thrown) => thrown);
      expect(error).toMatchObject({ name: 'ModelError', code: 'GPU_MEMORY' });
      expect(error.hint).toContain('--gpu-memory');
    }
  });

  it('refuses a model whose heads are too wide', async () => {
    const wide = await open(modelFolder({ ...smallArgs, n_heads: 1, head_dim: 258 })).catch((thrown) => thrown);
    expect(wide).toMatchObject({ name: 'ModelError', code: 'MODEL_UNSUPPORTED', hint: 'Use the CPU.' });
    expect(wide.message).toContain('258');
  });

  it('refuses a piece that it has no room for', async () => {
    const model = await open(modelFolder(), { gpuMemoryBytes: 1_000_000 });
    await expect(encodeAll(model, prose(5000), { pieceTokens: 5000 })).rejects.toMatchObject({ code: 'DEVICE_PIECE' });
    await model.close();
  });
});

describe('the times of a GPU', () => {
  it('say how long every kernel took and how much it did', async () => {
    const model = await open(goldenModel('w24-bf16'), { profile: true });
    await encodeAll(model, prose(100));
    const [times] = await model.times();
    const byName = new Map(times!.kernels.map((one) => [one.name.split('.')[0], one]));
    expect([...byName.keys()].sort()).toEqual(
      ['attention', 'entropy', 'gather', 'l2_norm', 'matmul', 'rms_norm', 'rope', 'silu_gate'].sort(),
    );
    for (const { seconds, dispatches, bytes } of times!.kernels) {
      expect(dispatches).toBeGreaterThan(0);
      expect(seconds).toBeGreaterThan(0);
      expect(bytes).toBeGreaterThan(0);
    }
    expect(times!.ceilings.copyBytesPerSecond).toBeGreaterThan(0);
    await expect(modelOf('w24-bf16').times()).rejects.toMatchObject({ code: 'NO_TIMES' });
    await model.close();
  });
});

describe('the process of a GPU', () => {
  it('that dies fails the passes it had in hand and all after them', async () => {
    const model = await open(modelFolder());
    const before = childProcesses();
    const victim = before.at(-1)!;
    const reading = encodeAll(model, prose(20_000));
    setTimeout(() => process.kill(victim, 'SIGKILL'), 30);
    await expect(reading).rejects.toMatchObject({ name: 'ModelError', code: 'DEVICE_LOST' });
    expect(model.lost).toMatchObject({ code: 'DEVICE_LOST' });
    await expect(encodeAll(model, prose(5))).rejects.toThrow('SIGKILL');
  });
});
