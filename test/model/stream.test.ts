import { describe, expect, it } from 'vitest';
import { CarryPool } from '../../src/model/carryMemory.ts';
import { readConfig } from '../../src/model/config.ts';
import { type StreamOptions, streamBytes } from '../../src/model/stream.ts';
import { encodeBytes } from '../../src/model/tokenizer.ts';
import { type TestSession, testSession } from './cpu/session.ts';
import { goldenModel, largestDifference, prose } from './golden.ts';
import { modelFolder, smallArgs } from './modelFolder.ts';
import { oracle } from './oracle.ts';

async function entropiesOf(
  session: TestSession,
  bytes: Uint8Array,
  options: Partial<StreamOptions> = {},
): Promise<Float32Array> {
  const entropies = new Float32Array(bytes.length);
  const { dim } = session.config;
  const settings = { dim, preNorm: false, pieceTokens: 2048, ...options };
  for await (const piece of streamBytes(bytes, (task) => session.run(task), settings)) {
    entropies.set(piece.entropies, piece.offset);
  }
  return entropies;
}

describe('stream of pieces', () => {
  it('equals a plain double-precision forward pass of the whole document', async () => {
    const dir = goldenModel('w24-bf16');
    const session = await testSession(dir);
    const bytes = prose(1500);
    const expected = oracle(dir, encodeBytes(bytes)).entropies.subarray(0, bytes.length);
    expect(largestDifference(await entropiesOf(session, bytes), expected)).toBeLessThan(2e-4);
    expect(largestDifference(await entropiesOf(session, bytes, { pieceTokens: 100 }), expected)).toBeLessThan(2e-4);
    await session.close();
  });

  it.each([1, 2, 4])('shares keys between query heads (%i key heads of 4)', async (kvHeads) => {
    const dir = modelFolder({ ...smallArgs, n_kv_heads: kvHeads });
    expect(readConfig(dir).kvHeads).toBe(kvHeads);
    const session = await testSession(dir);
    const bytes = prose(300);
    const { entropies, norms } = oracle(dir, encodeBytes(bytes, { addEos: false }));
    expect(
      largestDifference(await entropiesOf(session, bytes, { pieceTokens: 64 }), entropies.subarray(0, 300)),
    ).toBeLessThan(2e-4);
    const row = await session.run({
      tokens: Int32Array.from(encodeBytes(bytes, { addEos: false })),
      position: 0,
      carry: false,
      preNorm: false,
      logits: false,
    });
    expect(
      largestDifference(
        row.norms.map((norm, i) => norm / norms[i]!),
        norms.map(() => 1),
      ),
    ).toBeLessThan(2e-5);
    await session.close();
  });

  it('works with a window of one token and with heads wider than the model', async () => {
    for (const change of [{ sliding_window: 1 }, { n_heads: 2, head_dim: 24 }]) {
      const dir = modelFolder({ ...smallArgs, ...change });
      const session = await testSession(dir);
      const bytes = prose(200);
      const expected = oracle(dir, encodeBytes(bytes)).entropies.subarray(0, 200);
      expect(largestDifference(await entropiesOf(session, bytes, { pieceTokens: 50 }), expected)).toBeLessThan(2e-4);
      await session.close();
    }
  });

  it('restarts rotary positions without a seam', async () => {
    const session = await testSession(goldenModel('w512-f32'));
    const bytes = prose(4000);
    const plain = await entropiesOf(session, bytes, { pieceTokens: 512 });
    const laps = await entropiesOf(session, bytes, { pieceTokens: 512, lapPositions: 2048 });
    expect(laps).not.toEqual(plain);
    // what is left is the coarseness of the float32 angles that laps keep small
    expect(largestDifference(laps, plain)).toBeLessThan(2e-3);
    await session.close();
  });

  it('names the byte where a damaged model stops making sense', async () => {
    const dir = modelFolder(smallArgs, (tensors) => {
      new Float32Array(tensors['norm.weight']!.data.buffer).fill(Number.NaN);
    });
    const session = await testSession(dir);
    await expect(entropiesOf(session, prose(10))).rejects.toMatchObject({
      name: 'ModelError',
      code: 'MODEL_NOT_FINITE',
    });
    await session.close();
  });

  it('gives the memory of carried keys back before the last piece, which a reader may never go past', async () => {
    const dir = modelFolder();
    const session = await testSession(dir);
    const pool = new CarryPool(session.config, 9);
    let lent = 0;
    const memory = {
      take: () => {
        lent++;
        return pool.take();
      },
      give: (given: Float32Array<SharedArrayBuffer>) => {
        lent--;
        pool.give(given);
      },
    };
    const expected = await entropiesOf(session, prose(500), { pieceTokens: 50 });
    const stream = streamBytes(prose(500), (task) => session.run(task), {
      dim: session.config.dim,
      preNorm: false,
      pieceTokens: 50,
      memory,
    });
    const found: number[] = [];
    while (found.length < 500) {
      const { value } = await stream.next();
      found.push(...value!.entropies);
      expect(lent).toBe(found.length < 500 ? Math.min(2, Math.ceil(found.length / 50)) : 0);
    }
    expect(found).toEqual([...expected]);
    await session.close();
  });
});
