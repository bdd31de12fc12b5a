import { execFile } from 'node:child_process';
import { appendFileSync, copyFileSync, cpSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { CarryPool } from '../../../src/model/carryMemory.ts';
import { type CpuModel, openModel, readConfig } from '../../../src/model/index.ts';
import { goldenModel, prose } from '../golden.ts';
import { modelFolder, smallArgs } from '../modelFolder.ts';

const scratch = mkdtempSync(join(tmpdir(), 'sluice-lifecycle-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

async function entropies(model: CpuModel, bytes: Uint8Array): Promise<number[]> {
  const all: number[] = [];
  for await (const piece of model.encode(bytes)) all.push(...piece.entropies);
  return all;
}

/** A copy that may be spoiled. */
function copyOf(dir: string): string {
  const copy = mkdtempSync(join(scratch, 'model-'));
  cpSync(dir, copy, { recursive: true });
  return copy;
}

const models = [modelFolder(), goldenModel('w24-bf16')];

describe('a model that is open', () => {
  it('may be links into another folder, as in the cache of the Hub', async () => {
    const dir = join(scratch, 'snapshot');
    const blobs = join(scratch, 'blobs');
    for (const folder of [dir, blobs]) mkdirSync(folder);
    for (const [file, blob] of [
      ['config.json', 'aa'],
      ['model.safetensors', 'bb'],
    ] as const) {
      copyFileSync(join(models[0]!, file), join(blobs, blob));
      symlinkSync(join('..', 'blobs', blob), join(dir, file));
    }
    const [linked, plain] = [await openModel(dir, { threads: 1 }), await openModel(models[0]!, { threads: 1 })];
    expect(await entropies(linked, prose(100))).toEqual(await entropies(plain, prose(100)));
    await Promise.all([linked.close(), plain.close()]);
  });

  it.each(models)('%s refuses to go on when its weights are replaced or cut', async (given) => {
    for (const spoil of [
      (file: string) => appendFileSync(file, 'x'),
      (file: string) => {
        copyFileSync(file, `${file}.new`);
        renameSync(`${file}.new`, file);
      },
    ]) {
      const dir = copyOf(given);
      const model = await openModel(dir, { threads: 1 });
      spoil(join(dir, 'model.safetensors'));
      await expect(entropies(model, prose(10))).rejects.toMatchObject({
        name: 'ModelError',
        code: 'MODEL_CHANGED',
        path: join(dir, 'model.safetensors'),
        hint: expect.stringContaining('Open the model again'),
      });
      await model.close();
    }
  });

  it.each(models)('%s is closed once what it computes is computed, and refuses the rest', async (dir) => {
    const model = await openModel(dir, { threads: 2 });
    const reading = Promise.allSettled(Array.from({ length: 6 }, () => entropies(model, prose(20_000))));
    await new Promise((resolve) => setTimeout(resolve, 300));
    await model.close();
    for (const result of await reading) {
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'MODEL_CLOSED', path: dir });
    }
    await expect(entropies(model, prose(10))).rejects.toMatchObject({ code: 'MODEL_CLOSED' });
  });

  it('does not take the process along when it is closed midway', async () => {
    const program = `
      import { openModel } from ${JSON.stringify(new URL('../../../src/model/index.ts', import.meta.url).href)};
      const model = await openModel(${JSON.stringify(models[0])}, { threads: 2 });
      const read = async () => { for await (const _ of model.encode(Buffer.alloc(400_000, 'a word '))); };
      const reading = Promise.allSettled([read(), read(), read()]);
      await new Promise((resolve) => setTimeout(resolve, 400));
      await model.close();
      process.stdout.write((await reading).map(({ reason }) => reason?.code).join());`;
    const args = ['--conditions=sluice-source', '--input-type=module', '-e', program];
    const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 60_000 });
    expect(stdout).toBe('MODEL_CLOSED,MODEL_CLOSED,MODEL_CLOSED');
  });

  it('may be opened twice at once, each with layers of its own', async () => {
    const dir = models[1]!;
    const [one, two] = [await openModel(dir), await openModel(dir)];
    const [first, second] = await Promise.all([entropies(one, prose(3000)), entropies(two, prose(3000))]);
    expect(second).toEqual(first);
    for (const { layerCounts } of [one, two]) expect(layerCounts!.hits + layerCounts!.misses).toBeGreaterThan(0);
    await one.close();
    expect(await entropies(two, prose(3000))).toEqual(first);
    await two.close();
  });

  it('refuses options that make no sense', async () => {
    for (const options of [
      { threads: 0 },
      { threads: 1.5 },
      { weightCacheBytes: -1 },
      { weightCacheBytes: Number.NaN },
    ]) {
      await expect(openModel(models[0]!, options)).rejects.toMatchObject({ code: 'BAD_OPTION' });
    }
  });
});

describe('a model that claims too much', () => {
  it.each([
    ['n_layers', 2 ** 53 - 1, 'MODEL_TENSOR_MISSING'],
    ['sliding_window', 4e9, 'MODEL_UNSUPPORTED'],
    ['rope_theta', '1e999', 'MODEL_CONFIG'],
    ['norm_eps', '1e999', 'MODEL_CONFIG'],
  ])('is refused at once: %s %s', async (key, value, code) => {
    const dir = copyOf(models[0]!);
    const config = JSON.stringify({ args: { ...smallArgs, [key]: 0 } }).replace(`"${key}":0`, `"${key}":${value}`);
    rmSync(join(dir, 'config.json'));
    appendFileSync(join(dir, 'config.json'), config);
    await expect(openModel(dir)).rejects.toMatchObject({ name: 'ModelError', code });
  });

  it('with a window wider than any document costs no more than the document', async () => {
    const [wide, narrow] = await Promise.all(
      [131_072, 400].map((sliding_window) => openModel(modelFolder({ ...smallArgs, sliding_window }), { threads: 1 })),
    );
    expect(await entropies(wide!, prose(300))).toEqual(await entropies(narrow!, prose(300)));
    await Promise.all([wide!.close(), narrow!.close()]);
  });
});

describe('memory that documents carry keys and values in', () => {
  it('is handed on, up to what is kept', () => {
    const pool = new CarryPool(readConfig(models[0]!), 1);
    const [a, b] = [pool.take()!, pool.take()!];
    expect(a.length).toBe(2 * 2 * 4 * 8 * 8);
    pool.give(a);
    pool.give(b);
    expect(pool.take()).toBe(a);
    expect(pool.take()).not.toBe(b);
  });

  it('is not made for windows that nobody fills', () => {
    const config = { ...readConfig(models[0]!), layers: 100, window: 131_072 };
    expect(new CarryPool(config, 1).take()).toBeUndefined();
  });
});
