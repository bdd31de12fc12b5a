import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type EncodedPiece, type EntropyModel, openModel, patchLengths } from '../../../src/model/index.ts';
import { golden, goldenModel, largestDifference, modelCases, patchCases, prose } from '../golden.ts';
import { expectGolden, expectNorms, TOLERANCE } from '../goldenChecks.ts';

const names = ['w512-f32', 'w24-bf16'];
const models = new Map<string, EntropyModel>();

beforeAll(async () => {
  for (const name of names) models.set(name, await openModel(goldenModel(name), { threads: 2 }));
});
afterAll(async () => {
  for (const model of models.values()) await model.close();
});

const modelOf = (name: string) => models.get(name)!;

async function encodeAll(model: EntropyModel, bytes: Uint8Array, options: Parameters<EntropyModel['encode']>[1] = {}) {
  const pieces: EncodedPiece[] = [];
  for await (const piece of model.encode(bytes, options)) pieces.push(piece);
  const join = (parts: readonly (Float32Array | undefined)[]) => {
    const joined = new Float32Array(parts.reduce((length, part) => length + (part?.length ?? 0), 0));
    let at = 0;
    for (const part of parts) {
      joined.set(part ?? [], at);
      at += part?.length ?? 0;
    }
    return joined;
  };
  return {
    pieces,
    entropies: join(pieces.map((piece) => piece.entropies)),
    norms: join(pieces.map((piece) => piece.norms)),
    preNorm: join(pieces.map((piece) => piece.preNorm)),
  };
}

describe('reference mode', () => {
  const plain = modelCases.filter((given) => given.kind === undefined && given.chunk === undefined);

  it.each(plain)('computes $id', async (given) => {
    const model = modelOf(given.model);
    const found = await model.referenceTokens(given.token_ids, { preNorm: true, logits: true });
    expectGolden(given, found, model.dim);
  });

  it('starts anew every 8192 tokens', async () => {
    const given = modelCases.find(({ chunk }) => chunk !== undefined)!;
    const found = await modelOf(given.model).referenceTokens(golden(given.tensors.token_ids!));
    expect(largestDifference(found.entropies, golden(given.tensors.entropies!))).toBeLessThan(TOLERANCE.entropy);
    expectNorms(found.norms, golden(given.tensors.prenorm_l2!));
  });

  it('keeps the rows of a batch apart', async () => {
    const given = modelCases.find(({ kind }) => kind === 'batch_flatten_quirk')!;
    for (const [i, ids] of given.batch_token_ids!.entries()) {
      const found = await modelOf(given.model).referenceTokens(ids);
      expect(largestDifference(found.entropies, given.entropies_row_by_row![i]!)).toBeLessThan(TOLERANCE.entropy);
    }
  });

  it('gives the reference patches from its own entropies wherever the margin allows', async () => {
    const own = new Map<string, Float32Array>();
    for (const given of plain)
      own.set(given.id, (await modelOf(given.model).referenceTokens(given.token_ids)).entropies);
    let compared = 0;
    for (const given of patchCases) {
      const source = plain.find(({ id }) => id === given.source.model_case);
      if (source === undefined || given.options.patching_mode !== 'entropy') continue;
      if (given.decision_margin === null || given.decision_margin === undefined) continue;
      if (given.decision_margin < TOLERANCE.entropy) continue;
      const { threshold, monotonicity, threshold_add, max_patch_length } = given.options;
      const lengths = patchLengths(source.token_ids, own.get(source.id), {
        threshold,
        monotonicity,
        thresholdAdd: threshold_add,
        maxPatchLength: max_patch_length,
        includeNextToken: given.include_next_token,
      });
      expect([...lengths], given.id).toEqual(given.patch_lengths);
      compared++;
    }
    expect(compared).toBeGreaterThan(100);
  });

  it('refuses what is no token id', async () => {
    for (const id of [-1, 260, 0.5])
      await expect(modelOf('w24-bf16').referenceTokens([1, id])).rejects.toThrow('not a token id');
  });
});

describe('stream mode', () => {
  it.each(modelCases.filter(({ text, bytes_hex, add_bos }) => add_bos && (text || bytes_hex)))(
    'is the byte view of $id: BOS speaks about byte 0, EOS is left out',
    async (given) => {
      const bytes = given.bytes_hex === undefined ? Buffer.from(given.text!) : Buffer.from(given.bytes_hex, 'hex');
      const found = await encodeAll(modelOf(given.model), bytes, { preNorm: true });
      expect(largestDifference(found.entropies, given.entropies.slice(0, bytes.length))).toBeLessThan(
        TOLERANCE.entropy,
      );
      expectNorms(found.norms, given.prenorm_l2.slice(1, bytes.length + 1));
      expect(found.preNorm.length).toBe(bytes.length * modelOf(given.model).dim);
    },
  );

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
