import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type EntropyModel, openModel } from '../../../src/model/index.ts';
import { goldenModel, largestDifference, prose } from '../golden.ts';
import { expectNorms, TOLERANCE } from '../goldenChecks.ts';
import { conformsToReference, encodeAll } from '../reference.ts';

const names = ['w512-f32', 'w24-bf16'];
const models = new Map<string, EntropyModel>();

beforeAll(async () => {
  for (const name of names) models.set(name, await openModel(goldenModel(name), { threads: 2 }));
});
afterAll(async () => {
  for (const model of models.values()) await model.close();
});

const modelOf = (name: string) => models.get(name)!;

conformsToReference(modelOf);

describe('stream mode', () => {
  it('has nothing to say about an empty document', async () => {
    expect((await encodeAll(modelOf('w24-bf16'), new Uint8Array(0))).pieces).toEqual([]);
  });

  it.each([
    ['w512-f32', 100_000],
    ['w24-bf16', 30_000],
  ])(
    'with %s equals one long forward pass over %i bytes, and computes every token once',
    async (name, length) => {
      const model = modelOf(name);
      const bytes = prose(length);
      const before = model.rowsComputed;
      // larger pieces only take longer to test: the window reaches across every cut alike
      const [found, whole] = await Promise.all([
        encodeAll(model, bytes, { preNorm: true }),
        encodeAll(model, bytes, { preNorm: true, pieceTokens: 7919 }),
      ]);
      expect(model.rowsComputed - before).toBe(2 * (bytes.length + 1));
      expect(found.pieces.length).toBe(Math.ceil((length + 1 - 256) / 1024));
      expect(whole.pieces.length).toBe(Math.ceil((length + 1 - 7919 / 4) / 7919));
      expect(largestDifference(found.entropies, whole.entropies)).toBeLessThan(TOLERANCE.entropy);
      expect(largestDifference(found.preNorm, whole.preNorm)).toBeLessThan(TOLERANCE.preNorm);
      expectNorms(found.norms, whole.norms);
    },
    300_000,
  );

  it('does not depend on where pieces are cut, down to a window of pieces smaller than it', async () => {
    const model = modelOf('w24-bf16');
    const bytes = prose(700);
    const whole = await encodeAll(model, bytes);
    for (const pieceTokens of [2, 7, 23, 24, 25, 129, 300, 701]) {
      const cut = await encodeAll(model, bytes, { pieceTokens });
      expect(largestDifference(cut.entropies, whole.entropies), `${pieceTokens}`).toBeLessThan(TOLERANCE.entropy);
      expectNorms(cut.norms, whole.norms);
    }
  });

  it('gives the same bits with one worker or two, alone or in company', async () => {
    const documents = [prose(3000), prose(300), prose(1100), prose(1)];
    const single = await openModel(goldenModel('w512-f32'), { threads: 1 });
    try {
      const alone: Awaited<ReturnType<typeof encodeAll>>[] = [];
      for (const bytes of documents) alone.push(await encodeAll(single, bytes, { preNorm: true }));
      const company = await Promise.all(
        [...documents, ...documents].map((bytes) => encodeAll(modelOf('w512-f32'), bytes, { preNorm: true })),
      );
      company.forEach((found, i) => {
        expect(found.entropies).toEqual(alone[i % documents.length]!.entropies);
        expect(found.preNorm).toEqual(alone[i % documents.length]!.preNorm);
      });
    } finally {
      await single.close();
    }
  });

  it('lets the process end by itself when the work is done', async () => {
    const program = `
      import { openModel } from ${JSON.stringify(new URL('../../../src/model/index.ts', import.meta.url).href)};
      const model = await openModel(${JSON.stringify(goldenModel('w24-bf16'))});
      for await (const piece of model.encode(Buffer.from('Hello'))) process.stdout.write(String(piece.entropies.length));`;
    const node = promisify(execFile)(
      process.execPath,
      ['--conditions=sluice-source', '--input-type=module', '-e', program],
      {
        timeout: 40_000,
      },
    );
    expect((await node).stdout).toBe('5');
  });

  it('stops for a signal and refuses a piece without room for a byte', async () => {
    const model = modelOf('w24-bf16');
    await expect(encodeAll(model, prose(10), { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow(
      'enough',
    );
    await expect(async () => encodeAll(model, prose(10), { pieceTokens: 1 })).rejects.toThrow('piece of 1 tokens');
  });
});
