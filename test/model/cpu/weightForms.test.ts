import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { type BlockType, blockTypes } from '../../../src/kernels/blocks/layout.ts';
import { quantizeRows, WEIGHT_LEVELS } from '../../../src/model/cpu/layers/int8Weights.ts';
import { writeGgufModel } from '../../../src/model/ggufWriter.ts';
import { type CpuModel, openModel } from '../../../src/model/index.ts';
import { goldenModel, largestDifference, prose } from '../golden.ts';
import { modelFolder } from '../modelFolder.ts';
import { testSession } from './session.ts';

const scratch = mkdtempSync(join(tmpdir(), 'sluice-forms-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** The released shape. */
const RELEASED = {
  attn_bias_type: 'local_block_causal',
  dim: 768,
  n_heads: 12,
  sliding_window: 512,
  multiple_of: 256,
};

/** Wide enough for blocks of 256 weights, and for products that are cut into parts and divided among threads. */
const wide = modelFolder({
  attn_bias_type: 'local_block_causal',
  dim: 256,
  n_layers: 3,
  n_heads: 4,
  n_kv_heads: 2,
  sliding_window: 100,
  multiple_of: 256,
});

const task = (tokens: number) => ({
  tokens: Int32Array.from({ length: tokens }, (_, i) => 4 + ((i * 7919) % 256)),
  position: 0,
  carry: false,
  preNorm: true,
  logits: false,
});

async function entropies(model: CpuModel, bytes: Uint8Array): Promise<number[]> {
  const all: number[] = [];
  for await (const piece of model.encode(bytes)) all.push(...piece.entropies);
  return all;
}

/** The model as a GGUF file with all its weights in one type, embeddings too where blocks fit. */
async function gguf(type: BlockType, dir = wide): Promise<string> {
  const path = join(scratch, `${type}-${dir === wide ? 'wide' : 'other'}.gguf`);
  await writeGgufModel(dir, path, type, { embeddings: type });
  return path;
}

describe('weights as they are stored', () => {
  it.each([undefined, 'int8'] as const)('%s: gives the same bits with one thread in a pass or two', async (form) => {
    const released = modelFolder({ ...RELEASED, n_layers: 1 });
    const [one, two] = await Promise.all([1, 2].map((threads) => testSession(released, { form, threads })));
    for (const tokens of [512, 513, 777, 1024]) {
      const [alone, shared] = [await one!.run(task(tokens)), await two!.run(task(tokens))];
      expect(shared.entropies).toEqual(alone.entropies);
      expect(shared.preNorm).toEqual(alone.preNorm);
    }
    await Promise.all([one!.close(), two!.close()]);
  });

  it.each(['f32', 'int8'] as const)('%s: gives a document the same bits in any company', async (form) => {
    const session = await testSession(wide, { form });
    const alone = await session.run(task(77));
    const company = await session.runAll([task(300), task(77), task(1), task(77)]);
    expect([company[1]!.entropies, company[3]!.entropies]).toEqual([alone.entropies, alone.entropies]);
    await session.close();
  });

  it('gives the same bits whether all decoded layers fit or one for each hand', async () => {
    const bytes = prose(2500);
    const path = await gguf('BF16');
    const [roomy, narrow] = [
      await openModel(path, { threads: 2 }),
      await openModel(path, { threads: 1, weightCacheBytes: 0 }),
    ];
    const [expected, again] = [await entropies(roomy, bytes), await entropies(roomy, bytes)];
    expect(again).toEqual(expected);
    expect(await entropies(narrow, bytes)).toEqual(expected);
    // 3 pieces of 3 layers, twice: decoded once, whoever did it
    expect(roomy.layerCounts).toMatchObject({ hits: 18 - roomy.layerCounts!.misses });
    expect(roomy.layerCounts!.misses + roomy.layerCounts!.prefetched).toBe(3);
    // two slots for three layers: two of them are decoded again in each pass
    expect(narrow.layerCounts!.misses + narrow.layerCounts!.prefetched).toBeGreaterThanOrEqual(5);
    await Promise.all([roomy.close(), narrow.close()]);
  });

  it('computes with a GGUF file of float32 what it computes with the folder, bit for bit', async () => {
    const bytes = prose(1500);
    const [folder, file] = [await openModel(wide, { threads: 1 }), await openModel(await gguf('F32'), { threads: 1 })];
    expect(await entropies(file, bytes)).toEqual(await entropies(folder, bytes));
    expect(file.config).toEqual(folder.config);
    await Promise.all([folder.close(), file.close()]);
  });

  it.each(blockTypes.filter((type) => type !== 'F32'))(
    'computes with %s what the decoded weights would give as float32',
    async (type) => {
      const path = await gguf(type);
      const decoded = join(scratch, `${type}-decoded.gguf`);
      await writeGgufModel(path, decoded, 'F32', { embeddings: 'F32' });
      const [own, plain] = [await openModel(path, { threads: 1 }), await openModel(decoded, { threads: 1 })];
      const bytes = prose(700);
      const found = await entropies(own, bytes);
      // one graph for all layers adds in another order than the graph of the whole model
      expect(largestDifference(found, await entropies(plain, bytes))).toBeLessThan(2e-5);
      expect(own.layerCounts!.hits + own.layerCounts!.misses).toBe(3);
      await Promise.all([own.close(), plain.close()]);
    },
  );

  it('keeps to the golden vectors when a BF16 model is rewritten as GGUF', async () => {
    const dir = goldenModel('w24-bf16');
    const path = await gguf('BF16', dir);
    const [folder, file] = [await openModel(dir, { threads: 1 }), await openModel(path, { threads: 1 })];
    expect(await entropies(file, prose(900))).toEqual(await entropies(folder, prose(900)));
    await Promise.all([folder.close(), file.close()]);
  });
});

describe('7-bit integer weights', () => {
  it('round every weight to the nearest of 127 levels of its row, and store columns', () => {
    const weight = fc.oneof(
      fc.float({ noNaN: true, min: -1e3, max: 1e3 }),
      fc.float({ noNaN: true, min: -(2 ** -119), max: 2 ** -119 }),
    );
    const rows = fc.array(fc.array(weight, { minLength: 5, maxLength: 5 }), {
      minLength: 1,
      maxLength: 4,
    });
    fc.assert(
      fc.property(rows, (weights) => {
        const outputs = weights.length;
        const target = { values: new Int8Array(5 * outputs), scales: new Float32Array(outputs) };
        const half = Math.ceil(outputs / 2);
        quantizeRows(Float32Array.from(weights.slice(0, half).flat()), target, 0);
        quantizeRows(Float32Array.from(weights.slice(half).flat()), target, half);
        weights.forEach((row, output) => {
          const scale = target.scales[output]!;
          expect(scale).toBeCloseTo(Math.max(...row.map(Math.abs)) / WEIGHT_LEVELS, 4);
          row.forEach((weight, input) => {
            const level = target.values[input * outputs + output]!;
            expect(Math.abs(level)).toBeLessThanOrEqual(WEIGHT_LEVELS);
            const step = scale === 0 ? 2 * WEIGHT_LEVELS * 2 ** -126 : scale;
            expect(Math.abs(level * scale - weight)).toBeLessThanOrEqual(step * 0.5001);
          });
        });
      }),
    );
  });

  it('stay near float32', async () => {
    const [exact, near] = [await testSession(wide), await testSession(wide, { form: 'int8' })];
    const [expected, found] = [await exact.run(task(400)), await near.run(task(400))];
    const off = found.entropies.map((value, i) => Math.abs(value - expected.entropies[i]!));
    expect(off.reduce((a, b) => a + b) / off.length).toBeLessThan(0.05);
    expect(Math.max(...off)).toBeGreaterThan(0);
    await Promise.all([exact.close(), near.close()]);
  });

  it('are refused where they are not faster, with the figure', async () => {
    await expect(openModel(goldenModel('w24-bf16'), { weights: 'int8' })).rejects.toMatchObject({
      name: 'ModelError',
      code: 'INT8_NO_GAIN',
      message: expect.stringMatching(/int8 weights are \d\.\d\d times as fast as f32 here, with a model 48 wide/),
    });
  });
});
